// SPDX-License-Identifier: Apache-2.0
#include "chain/job_step.hpp"

#include <catch2/catch.hpp>

using namespace ckpt;
using namespace ckpt::supervisor;
using rundir::Submission;

namespace {

JobFacts some_facts(std::optional<std::size_t> waiting) {
  JobFacts facts;
  facts.queue = {true, "4711", "5", waiting, {}};
  facts.seconds_left = 3600;
  facts.one_start_seconds = 600;
  facts.blocks_needed = 3;
  facts.blocks_may_send = 10;
  return facts;
}

Submission sent(const std::string& array_id, std::uint64_t blocks, std::uint64_t planned, const std::string& extends = "") {
  Submission submission;
  submission.array_id = array_id;
  submission.blocks = blocks;
  submission.planned_blocks = planned;
  submission.extends = extends;
  return submission;
}

JobStep step_after(Action action, const JobFacts& facts, CrashKind crash = CrashKind::program) {
  return next_in_job({action, ""}, crash, facts);
}

}  // namespace

TEST_CASE("what a person has cut short is not extended by itself") {
  JobFacts facts = some_facts(0);
  facts.queue.was_cut_short = true;
  CHECK(step_after(Action::resume, facts).queue == QueueStep::tell_how_to_extend);
  CHECK(first_in_job(facts).queue == QueueStep::nothing);
}

TEST_CASE("a chain that is over has its waiting tasks cancelled") {
  for (const Action action : {Action::complete, Action::stop, Action::fail, Action::leave})
    CHECK(step_after(action, some_facts(3)).queue == QueueStep::cancel_waiting);
}

TEST_CASE("a superseded block leaves the queue alone") {
  for (const auto waiting : {std::optional<std::size_t>(0), std::optional<std::size_t>(3), std::optional<std::size_t>()})
    CHECK(step_after(Action::superseded, some_facts(waiting)).queue == QueueStep::nothing);
}

TEST_CASE("work that goes on is left to a task that waits") {
  for (const Action action : {Action::resume, Action::start_fresh, Action::hand_on}) {
    const JobStep step = step_after(action, some_facts(1));
    CHECK(step.queue == QueueStep::nothing);
    CHECK_FALSE(step.again_here);
  }
}

TEST_CASE("work that goes on is left to a task that has begun while this job ends") {
  JobFacts facts = some_facts(0);
  facts.queue.begun = "task 6 of array 4711";
  CHECK(step_after(Action::resume, facts).queue == QueueStep::nothing);
}

TEST_CASE("where no task waits a planned chain is extended by what is needed, and by no more than it may have") {
  CHECK(step_after(Action::resume, some_facts(0)).queue == QueueStep::extend);
  CHECK(step_after(Action::resume, some_facts(0)).blocks == 3);
  JobFacts facts = some_facts(0);
  facts.blocks_may_send = 2;
  CHECK(step_after(Action::resume, facts).blocks == 2);
  facts.blocks_needed = 0;   // not known
  facts.blocks_may_send = 10;
  CHECK(step_after(Action::resume, facts).blocks == 2);
}

TEST_CASE("a chain that nobody planned, or that had its share, tells how to extend it") {
  JobFacts facts = some_facts(0);
  facts.blocks_may_send = 0;
  const JobStep step = step_after(Action::resume, facts);
  CHECK(step.queue == QueueStep::tell_how_to_extend);
  CHECK(step.blocks == 3);
  facts.blocks_needed = 0;
  CHECK(step_after(Action::resume, facts).blocks == 1);
}

TEST_CASE("an array is extended once: where nothing of its extension waits any more, a person is told") {
  JobFacts facts = some_facts(0);
  facts.extended_by = "4800";
  CHECK(step_after(Action::resume, facts).queue == QueueStep::tell_how_to_extend);
}

TEST_CASE("a planned chain is extended when its last task begins, by what that one will leave") {
  CHECK(first_in_job(some_facts(0)).queue == QueueStep::extend);
  CHECK(first_in_job(some_facts(0)).blocks == 2);
  JobFacts facts = some_facts(0);
  facts.blocks_needed = 1;   // if nothing comes in between
  CHECK(first_in_job(facts).blocks == 1);
  facts.blocks_needed = 0;   // not known
  CHECK(first_in_job(facts).blocks == 2);
}

TEST_CASE("the beginning of a block sends nothing where a task waits, where nobody knows, or where it may not") {
  CHECK(first_in_job(some_facts(1)).queue == QueueStep::nothing);
  CHECK(first_in_job(some_facts(std::nullopt)).queue == QueueStep::nothing);
  JobFacts facts = some_facts(0);
  facts.blocks_may_send = 0;
  CHECK(first_in_job(facts).queue == QueueStep::nothing);
  facts = some_facts(0);
  facts.extended_by = "4800";
  CHECK(first_in_job(facts).queue == QueueStep::nothing);
}

TEST_CASE("what is asked after a block leaves the time to say the last line") {
  CHECK(seconds_for_questions(3600, StopCause::nobody) == 60);
  CHECK(seconds_for_questions(3600, StopCause::deadline) == 10);
  CHECK(seconds_for_questions(3600, StopCause::job) == 5);
  CHECK(seconds_for_questions(8, StopCause::deadline) == 3);
  CHECK(seconds_for_questions(8, StopCause::nobody) == 3);
  CHECK(seconds_for_questions(-4, StopCause::deadline) == 1);
  CHECK(seconds_for_questions(engine::no_limit, StopCause::nobody) == 60);
}

TEST_CASE("a scheduler that does not say whether a task waits is no reason to send more") {
  CHECK(step_after(Action::resume, some_facts(std::nullopt)).queue == QueueStep::nothing);
}

TEST_CASE("a crash is tried again in this job when one more start fits, else in the next one") {
  JobFacts facts = some_facts(0);
  CHECK(step_after(Action::retry, facts).again_here);
  CHECK(step_after(Action::retry, facts).queue == QueueStep::nothing);
  facts.seconds_left = 600;
  CHECK_FALSE(step_after(Action::retry, facts).again_here);
  CHECK(step_after(Action::retry, facts).queue == QueueStep::extend);
}

TEST_CASE("after a device error the next try is another job's, perhaps on another node") {
  const JobStep step = step_after(Action::retry, some_facts(2), CrashKind::device);
  CHECK_FALSE(step.again_here);
  CHECK(step.queue == QueueStep::nothing);
  CHECK(step_after(Action::retry, some_facts(2), CrashKind::memory).again_here);
}

TEST_CASE("a chain may send twice its plan in all, over all its extensions") {
  CHECK(blocks_may_send({}, "1") == 0);
  CHECK(blocks_may_send({sent("1", 12, 12)}, "1") == 12);
  CHECK(blocks_may_send({sent("1", 12, 12), sent("2", 5, 12, "1")}, "1") == 7);
  CHECK(blocks_may_send({sent("1", 12, 12), sent("2", 5, 12, "1")}, "2") == 7);
  CHECK(blocks_may_send({sent("1", 12, 12), sent("2", 5, 12, "1"), sent("3", 7, 12, "2")}, "3") == 0);
  CHECK(blocks_may_send({sent("1", 30, 12)}, "1") == 0);
}

TEST_CASE("what another chain of the same run sent does not count") {
  CHECK(blocks_may_send({sent("1", 12, 12), sent("7", 4, 4)}, "7") == 4);
  CHECK(blocks_may_send({sent("1", 12, 12)}, "7") == 0);
}

TEST_CASE("arrays that extend one another are one chain, others are not") {
  const std::vector<Submission> all = {sent("1", 12, 12), sent("2", 5, 12, "1"), sent("3", 7, 12, "2"), sent("9", 4, 4)};
  CHECK(are_of_one_chain(all, "1", "3"));
  CHECK(are_of_one_chain(all, "3", "2"));
  CHECK_FALSE(are_of_one_chain(all, "9", "3"));
  CHECK(are_of_one_chain({}, "7", "7"));
  CHECK_FALSE(are_of_one_chain({}, "7", "8"));
}

TEST_CASE("a sweep, and a chain whose beginning is not recorded, are never extended") {
  Submission sweep = sent("1", 50, 50);
  sweep.sweep_arrays = {"1", "2"};
  CHECK(blocks_may_send({sweep}, "1") == 0);
  CHECK(blocks_may_send({sent("2", 5, 12, "1")}, "2") == 0);
}

TEST_CASE("submissions that name each other end the search") {
  CHECK(blocks_may_send({sent("1", 1, 9, "2"), sent("2", 1, 9, "1")}, "1") <= 18);
  CHECK(blocks_may_send({sent("1", 1, 9, "1")}, "1") <= 18);
}

// Whatever happens: the blocks sent never exceed twice the plan, and the chain comes to an end.
TEST_CASE("a chain that never completes sends no more blocks than it may, whatever it thinks it needs") {
  for (std::uint64_t needed = 0; needed < 40; needed += 3) {
    std::vector<Submission> submissions = {sent("1", 7, 7)};
    std::uint64_t sent_blocks = 7;
    for (int array = 2;; ++array) {
      REQUIRE(array < 30);
      JobFacts facts = some_facts(0);
      facts.blocks_needed = needed;
      const std::string newest = std::to_string(array - 1);
      facts.blocks_may_send = blocks_may_send(submissions, newest);
      const JobStep step = step_after(Action::resume, facts);
      if (step.queue != QueueStep::extend) break;
      REQUIRE(step.blocks > 0);
      submissions.push_back(sent(std::to_string(array), step.blocks, 7, newest));
      sent_blocks += step.blocks;
    }
    CHECK(sent_blocks == 14);
  }
}
