// SPDX-License-Identifier: Apache-2.0
#include "chain/step.hpp"

#include <catch2/catch.hpp>
#include <csignal>

using namespace ckpt;
using namespace ckpt::supervisor;
using rundir::Outcome;
using rundir::SnapshotId;

namespace {

// A chain as ckptrun would run it: each block() is one block's end, and the decision that follows.
class Story {
 public:
  ChainFacts facts;

  BlockResult& begin() {
    BlockResult result;
    result.block = facts.ended.size() + 1;
    result.linked = true;
    result.resumed_from = facts.newest;
    result.newest = facts.newest;
    result.reached_point = true;
    result.seconds = 3600;
    facts.ended.push_back(result);
    return facts.ended.back();
  }
  Decision end(Outcome outcome, std::uint64_t saved_steps = 0) {
    BlockResult& last = facts.ended.back();
    last.outcome = outcome;
    if (saved_steps > 0) {
      last.newest = SnapshotId{last.block, (facts.newest ? facts.newest->step : 0) + saved_steps};
      facts.newest = last.newest;
      facts.ever_had_snapshots = true;
    }
    return decide(facts, Event::block_ended);
  }
  Decision block(Outcome outcome, std::uint64_t saved_steps = 0, StopCause asked = StopCause::nobody) {
    begin().asked = asked;
    return end(outcome, saved_steps);
  }
};

// The same for a program that is only wrapped.
Decision wrapped(Story& story, Outcome outcome, StopCause asked = StopCause::nobody, double seconds = 3600) {
  BlockResult& result = story.begin();
  result.linked = false;
  result.reached_point = false;
  result.asked = asked;
  result.seconds = seconds;
  return story.end(outcome);
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a program without libckpt that left to be continued is not said to start from the beginning") {
  Story story;
  CHECK(contains(wrapped(story, Outcome::stopped).reason, "where its program left off"));
  ChainFacts later;                       // another ckptrun, another job
  later.continued_before = true;
  CHECK(contains(decide(later, Event::starting).reason, "where its program left off"));
}

TEST_CASE("a run without snapshots starts from the beginning") {
  CHECK(decide({}, Event::starting).action == Action::start_fresh);
}

TEST_CASE("a run with snapshots resumes the newest, and the reason names it") {
  ChainFacts facts;
  facts.newest = SnapshotId{7, 4100};
  const Decision decision = decide(facts, Event::starting);
  CHECK(decision.action == Action::resume);
  CHECK(decision.reason == "step 4100 (block 7)");
}

TEST_CASE("a run whose owner is alive or unknown is waited for, even when it is complete") {
  ChainFacts facts;
  facts.complete = true;
  facts.owner_text = "block 3: pid 7 on node1";
  for (const OwnerState state : {OwnerState::alive, OwnerState::unknown}) {
    facts.owner = state;
    CHECK(decide(facts, Event::starting).action == Action::wait_for_owner);
    CHECK(decide(facts, Event::starting).reason == facts.owner_text);
  }
}

TEST_CASE("a complete run is not started again unless it is reopened") {
  ChainFacts facts;
  facts.complete = true;
  facts.newest = SnapshotId{7, 4100};
  CHECK(decide(facts, Event::starting).action == Action::complete);
  facts.reopened = true;
  CHECK(decide(facts, Event::starting).action == Action::resume);
}

TEST_CASE("a block that is known to be too short for one step is refused with the arithmetic, unless the user insists") {
  ChainFacts facts;
  facts.newest = SnapshotId{1, 1};
  facts.block_seconds = 24 * 3600;
  facts.earlier_costs = {.between_points = 26 * 3600, .stage = 10, .drain = 30, .publish = 0};
  const Decision decision = decide(facts, Event::starting);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "one step (26 h 00 min)"));
  CHECK(contains(decision.reason, "safe points"));
  facts.reopened = true;
  CHECK(decide(facts, Event::starting).action == Action::resume);
}

TEST_CASE("a finished block completes the run whatever else happened") {
  for (const StopCause asked : {StopCause::nobody, StopCause::deadline, StopCause::user, StopCause::superseded}) {
    Story story;
    CHECK(story.block(Outcome::finished, 10, asked).action == Action::complete);
  }
}

TEST_CASE("a block that stopped with a newer snapshot is continued") {
  Story story;
  CHECK(story.block(Outcome::stopped, 10).action == Action::resume);
  CHECK(story.block(Outcome::stopped, 10, StopCause::deadline).action == Action::resume);
}

TEST_CASE("a stop that somebody asked for leaves the run to be continued") {
  Story story;
  CHECK(story.block(Outcome::stopped, 10, StopCause::user).action == Action::leave);
}

TEST_CASE("a crash after somebody asked to stop is not retried") {
  Story story;
  story.block(Outcome::stopped, 10);
  CHECK(story.block(Outcome::crashed, 10, StopCause::user).action == Action::fail);
}

TEST_CASE("a block that stopped without a newer snapshot stops the chain, with the arithmetic when it is known") {
  Story story;
  story.facts.block_seconds = 3600;
  story.block(Outcome::stopped, 10);
  BlockResult& last = story.begin();
  last.asked = StopCause::deadline;
  last.costs.between_points = 7200;
  const Decision decision = story.end(Outcome::stopped);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "no progress"));
  CHECK(contains(decision.reason, "step 10 (block 1)"));
  CHECK(contains(decision.reason, "one step (2 h 00 min)"));
}

TEST_CASE("a block in which not one step ended says so, though nothing was measured") {
  Story story;
  story.facts.block_seconds = 86400;
  story.block(Outcome::crashed, 0, StopCause::deadline);
  CHECK(contains(decide(story.facts, Event::block_ended).reason,
                 "no step was done and saved within a block (24 h 00 min): put safe points closer together"));
  story.facts.block_seconds = engine::no_limit;
  CHECK_FALSE(contains(decide(story.facts, Event::block_ended).reason, "within a block"));
}

TEST_CASE("a new snapshot of the very step that was resumed is no progress") {
  Story story;
  story.block(Outcome::stopped, 10);
  BlockResult& last = story.begin();
  last.newest = SnapshotId{last.block, 10};
  CHECK(story.end(Outcome::stopped).action == Action::stop);
}

TEST_CASE("a block killed when its time was up is no crash: it is continued if it saved, else there is no progress") {
  Story story;
  CHECK(story.block(Outcome::crashed, 10, StopCause::deadline).action == Action::resume);
  CHECK(story.block(Outcome::crashed, 10, StopCause::deadline).action == Action::resume);
  CHECK(story.block(Outcome::crashed).action == Action::retry);
  CHECK(contains(story.block(Outcome::crashed, 0, StopCause::deadline).reason, "no progress"));
}

TEST_CASE("a crash before the first safe point of a fresh run is not retried") {
  Story story;
  story.begin().reached_point = false;
  const Decision decision = story.end(Outcome::crashed);
  CHECK(decision.action == Action::fail);
  CHECK(contains(decision.reason, "before the first safe point"));
}

TEST_CASE("a crash after the first safe point is retried once, though nothing was saved yet") {
  Story story;
  CHECK(story.block(Outcome::crashed).action == Action::retry);
  CHECK(story.block(Outcome::crashed).action == Action::stop);
}

TEST_CASE("the same step failing twice stops the chain and the reason says so") {
  Story story;
  story.block(Outcome::stopped, 10);
  CHECK(story.block(Outcome::crashed).action == Action::retry);
  const Decision decision = story.block(Outcome::crashed);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "the same step failed twice: blocks 2 and 3"));
}

TEST_CASE("a newer snapshot between two crashes makes the second one a first one") {
  Story story;
  CHECK(story.block(Outcome::crashed, 10).action == Action::retry);
  CHECK(story.block(Outcome::crashed, 10).action == Action::retry);
  CHECK(story.block(Outcome::stopped, 10).action == Action::resume);
  CHECK(story.block(Outcome::crashed, 0).action == Action::retry);
  CHECK(story.block(Outcome::crashed, 0).action == Action::stop);
}

TEST_CASE("a program that fails at the same step again is stopped, although it saved on the way there") {
  Story story;
  const auto crash_at = [&](std::uint64_t step, std::uint64_t saved_steps) {
    story.begin().last_step = step;
    story.facts.ended.back().costs.between_points = 0.1;
    story.facts.ended.back().exit_code = 3;
    return story.end(Outcome::crashed, saved_steps);
  };
  CHECK(crash_at(1000, 500).action == Action::retry);
  CHECK(crash_at(2000, 700).action == Action::retry);
  const Decision decision = crash_at(1991, 300);   // as it was heard of, a second before its end
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "blocks 2 and 3 crashed at about step 1991"));
}

TEST_CASE("kills that meet a program at the same step are not its failure, unless its memory was used up") {
  Story story;
  const auto killed_at_100 = [&](CrashKind kind) {
    BlockResult& last = story.begin();
    last.last_step = 100;
    last.signal = SIGKILL;
    last.crash = kind;
    return story.end(Outcome::crashed, 10).action;
  };
  for (int kills = 0; kills < 5; ++kills) CHECK(killed_at_100(CrashKind::program) == Action::retry);
  CHECK(killed_at_100(CrashKind::memory) == Action::retry);
  CHECK(killed_at_100(CrashKind::memory) == Action::stop);
}

TEST_CASE("crashes at unknown steps, far from one another or of another kind are not the same") {
  Story story;
  const auto crash = [&](std::optional<std::uint64_t> step, int code) {
    story.begin().last_step = step;
    story.facts.ended.back().exit_code = code;
    return story.end(Outcome::crashed, 10).action;
  };
  CHECK(crash(std::nullopt, 3) == Action::retry);
  CHECK(crash(50, 3) == Action::retry);
  CHECK(crash(50, 4) == Action::retry);
  CHECK(crash(51, 4) == Action::retry);      // how long a step takes is not known
  CHECK(crash(51, 4) == Action::stop);
}

TEST_CASE("saving the restored step again does not make the same crash a new one") {
  Story story;
  story.block(Outcome::stopped, 10);
  CHECK(story.block(Outcome::crashed).action == Action::retry);
  BlockResult& last = story.begin();
  last.newest = story.facts.newest = SnapshotId{last.block, 10};
  CHECK(story.end(Outcome::crashed).action == Action::stop);
}

TEST_CASE("a retry that saves and crashes again after that is retried once more") {
  Story story;
  story.block(Outcome::stopped, 10);
  CHECK(story.block(Outcome::crashed, 0).action == Action::retry);
  CHECK(story.block(Outcome::crashed, 5).action == Action::retry);
  CHECK(story.block(Outcome::crashed, 0).action == Action::stop);
}

TEST_CASE("a crash of a run whose snapshots are all gone is not retried") {
  Story story;
  story.facts.ever_had_snapshots = true;
  const Decision decision = story.block(Outcome::crashed);
  CHECK(decision.action == Action::fail);
  CHECK(contains(decision.reason, "none is left"));
}

TEST_CASE("a run whose snapshots are all gone is not started, unless some is kept by name") {
  ChainFacts facts;
  facts.ever_had_snapshots = true;
  CHECK(decide(facts, Event::starting).action == Action::stop);
  facts.has_kept = true;
  CHECK(decide(facts, Event::starting).action == Action::start_fresh);
}

TEST_CASE("a program that could not be started is not tried again") {
  Story story;
  story.block(Outcome::stopped, 10);
  story.begin().started = false;
  CHECK(story.end(Outcome::crashed).action == Action::fail);
}

TEST_CASE("a superseded block stops here, since another one goes on, and concludes nothing") {
  Story story;
  CHECK(story.block(Outcome::stopped, 10, StopCause::superseded).action == Action::superseded);
  CHECK(story.block(Outcome::crashed, 0, StopCause::superseded).action == Action::superseded);
  CHECK_FALSE(concludes(Action::superseded));
}

TEST_CASE("a block that was cut short by its job is continued, whatever it did until then") {
  for (const Outcome outcome : {Outcome::stopped, Outcome::crashed}) {
    Story story;
    BlockResult& first = story.begin();
    first.asked = StopCause::job;      // preempted before its first safe point
    first.reached_point = false;
    first.whole_seconds = 86400;
    CHECK(story.end(outcome).action == Action::start_fresh);
    story.block(Outcome::stopped, 10);
    for (int i = 0; i < 20; ++i) {     // and never counts as missing progress
      BlockResult& last = story.begin();
      last.asked = StopCause::job;
      last.whole_seconds = 86400;
      CHECK(story.end(outcome).action == Action::resume);
    }
  }
}

TEST_CASE("a block whose end a preemption brought nearer is continued, but a crash in it is a crash") {
  Story story;
  story.block(Outcome::stopped, 10);
  for (const StopCause asked : {StopCause::nobody, StopCause::deadline, StopCause::job}) {
    BlockResult& last = story.begin();
    last.asked = asked;
    last.end_moved_nearer = true;
    CHECK(story.end(Outcome::stopped).action == Action::resume);
  }
  BlockResult& last = story.begin();
  last.end_moved_nearer = true;
  CHECK(story.end(Outcome::crashed).action == Action::retry);
}

TEST_CASE("a device that is broken from the start is tried once more, which may be elsewhere") {
  Story story;
  for (const Action expected : {Action::retry, Action::stop}) {
    BlockResult& first = story.begin();
    first.reached_point = false;
    first.crash = CrashKind::device;
    CHECK(story.end(Outcome::crashed).action == expected);
  }
}

TEST_CASE("a warning signal late in a block is its time being up: without progress the chain stops") {
  Story story;
  story.block(Outcome::stopped, 10);
  BlockResult& last = story.begin();
  last.asked = StopCause::job;
  last.whole_seconds = 3700;
  CHECK(story.end(Outcome::stopped).action == Action::stop);
}

TEST_CASE("a job that was still waiting when its chain ended ends as the chain did") {
  ChainFacts facts;
  facts.newest = SnapshotId{3, 10};
  for (const Action action : {Action::stop, Action::leave, Action::fail}) {
    facts.concluded = Conclusion{action, "no progress", 3, "4711"};
    const Decision decision = decide(facts, Event::starting);
    CHECK(decision.action == action);
    CHECK(contains(decision.reason, "block 3 ended this chain: no progress"));
  }
  facts.reopened = true;   // the word stands in the job's script: it was meant for the first task
  CHECK(decide(facts, Event::starting).action == Action::fail);
  facts.complete = true;
  facts.concluded->action = Action::complete;
  CHECK(decide(facts, Event::starting).action == Action::complete);
  facts.concluded.reset();
  CHECK(decide(facts, Event::starting).action == Action::resume);
}

TEST_CASE("blocks that left no word are judged by whoever comes next") {
  ChainFacts facts;
  facts.newest = SnapshotId{1, 10};
  facts.ever_had_snapshots = true;
  BlockResult killed;
  killed.block = 2;
  killed.linked = killed.reached_point = true;
  killed.resumed_from = killed.newest = facts.newest;
  killed.reason = "its job was killed for memory";
  facts.ended = {killed};
  facts.judge_last = true;
  CHECK(decide(facts, Event::starting).action == Action::resume);
  killed.block = 3;
  facts.ended.push_back(killed);
  const Decision decision = decide(facts, Event::starting);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "killed for memory"));
}

TEST_CASE("a job with too little time left leaves the work to the next one, and says so") {
  ChainFacts facts;
  facts.newest = SnapshotId{1, 10};
  facts.block_seconds = 86400;
  facts.expected_costs = {.between_points = 600, .stage = 1, .drain = 20, .publish = 0};
  facts.seconds_left = 640;
  const Decision decision = decide(facts, Event::starting);
  CHECK(decision.action == Action::hand_on);
  CHECK_FALSE(concludes(decision.action));
  CHECK(contains(decision.reason, "too little of this job is left (11 min)"));
  facts.seconds_left = 660;
  CHECK(decide(facts, Event::starting).action == Action::resume);
}

TEST_CASE("a job with all its time is used, however long a step is expected to take: no later job has more") {
  ChainFacts facts;
  facts.newest = SnapshotId{1, 10};
  facts.block_seconds = 86400;
  facts.expected_costs = {.between_points = 1.2 * 20 * 3600, .stage = 1, .drain = 20, .publish = 0};
  facts.seconds_left = 86399;
  CHECK(decide(facts, Event::starting).action == Action::resume);
  facts.seconds_left = 0.9 * 86400;
  CHECK(decide(facts, Event::starting).action == Action::hand_on);
}

TEST_CASE("a block that began late in its job and made no progress says nothing about a whole one") {
  Story story;
  story.facts.block_seconds = 86400;
  story.block(Outcome::stopped, 10);
  BlockResult& late = story.begin();
  late.asked = StopCause::deadline;
  late.whole_seconds = 1800;
  CHECK(story.end(Outcome::stopped).action == Action::resume);
  BlockResult& whole = story.begin();
  whole.asked = StopCause::deadline;
  whole.whole_seconds = 86300;
  CHECK(story.end(Outcome::stopped).action == Action::stop);
}

TEST_CASE("actions keep their names") {
  for (int action = 0; action <= static_cast<int>(Action::fail); ++action)
    CHECK(parse_action(name(static_cast<Action>(action))) == static_cast<Action>(action));
  CHECK_FALSE(parse_action("dance"));
}

TEST_CASE("crashes of an earlier ckptrun do not count: an explicit start is a new attempt") {
  ChainFacts facts;
  facts.newest = SnapshotId{5, 100};
  facts.ever_had_snapshots = true;
  BlockResult first;
  first.block = 6;
  first.linked = true;
  first.resumed_from = first.newest = facts.newest;
  facts.ended.push_back(first);
  CHECK(decide(facts, Event::block_ended).action == Action::retry);
}

TEST_CASE("only wrapped: exit code 85 is continued, complete is complete") {
  Story story;
  CHECK(wrapped(story, Outcome::stopped).action == Action::start_fresh);
  CHECK(wrapped(story, Outcome::stopped, StopCause::deadline).action == Action::start_fresh);
  CHECK(wrapped(story, Outcome::finished).action == Action::complete);
}

TEST_CASE("only wrapped: 85 after somebody asked to stop leaves the run to be continued") {
  Story story;
  CHECK(wrapped(story, Outcome::stopped, StopCause::user).action == Action::leave);
}

TEST_CASE("only wrapped: a crash is not retried when nothing is known to resume from") {
  Story story;
  CHECK(wrapped(story, Outcome::crashed).action == Action::fail);
}

TEST_CASE("only wrapped: a crash is retried once when a block said before that it can be continued") {
  Story story;
  wrapped(story, Outcome::stopped);
  CHECK(wrapped(story, Outcome::crashed).action == Action::retry);
  CHECK(wrapped(story, Outcome::crashed).action == Action::stop);

  Story later;
  later.facts.continued_before = true;
  CHECK(wrapped(later, Outcome::crashed).action == Action::retry);
  CHECK(wrapped(later, Outcome::stopped).action == Action::start_fresh);
  CHECK(wrapped(later, Outcome::crashed).action == Action::retry);
}

TEST_CASE("only wrapped: five blocks in a row that end at once with 85 stop the chain") {
  Story story;
  for (int i = 0; i < 4; ++i) REQUIRE(wrapped(story, Outcome::stopped, StopCause::nobody, 1).action == Action::start_fresh);
  const Decision decision = wrapped(story, Outcome::stopped, StopCause::nobody, 1);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "no progress"));
}

TEST_CASE("only wrapped: one block of some length, or one that was asked to stop, shows that blocks are not burnt") {
  Story story;
  for (int i = 0; i < 4; ++i) wrapped(story, Outcome::stopped, StopCause::nobody, 1);
  CHECK(wrapped(story, Outcome::stopped, StopCause::nobody, 60).action == Action::start_fresh);
  for (int i = 0; i < 4; ++i) wrapped(story, Outcome::stopped, StopCause::nobody, 1);
  CHECK(wrapped(story, Outcome::stopped, StopCause::deadline, 1).action == Action::start_fresh);
}

TEST_CASE("a chain of thirty days with a crash every third day ends complete, without a decision to stop") {
  Story story;
  for (int day = 1; day <= 29; ++day) {
    const Decision decision = day % 3 == 0 ? story.block(Outcome::crashed, 500)
                                           : story.block(Outcome::stopped, 1000, StopCause::deadline);
    REQUIRE(decision.action == (day % 3 == 0 ? Action::retry : Action::resume));
  }
  CHECK(story.block(Outcome::finished, 100).action == Action::complete);
  CHECK(story.facts.newest->block == 30);
}

namespace {

checkpoints::Version version(std::uint64_t epoch, std::uint32_t crc) {
  return {{"model.pt", {epoch}, epoch, std::nullopt, 1, 100}, "PyTorch", crc, ""};
}

// A block of a program with its own checkpoints, which ends with that one.
Decision own(Story& story, Outcome outcome, std::optional<checkpoints::Version> newest, StopCause asked = StopCause::nobody) {
  BlockResult& result = story.begin();
  result.linked = false;
  result.keeps_own = story.facts.keeps_own = true;
  result.own_from = story.facts.checkpoint;
  result.own_newest = story.facts.checkpoint = newest;
  result.asked = asked;
  return story.end(outcome);
}

}  // namespace

TEST_CASE("own checkpoints: a crash is tried again as long as each block has a newer one") {
  Story story;
  CHECK(own(story, Outcome::crashed, version(2, 2)).action == Action::retry);
  CHECK(own(story, Outcome::crashed, version(3, 3)).action == Action::retry);
  const Decision decision = own(story, Outcome::crashed, version(3, 3));
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "crashed without a newer whole checkpoint in between"));
}

TEST_CASE("own checkpoints: before the first one a crash is not tried again") {
  Story story;
  const Decision decision = own(story, Outcome::crashed, std::nullopt);
  CHECK(decision.action == Action::fail);
  CHECK(contains(decision.reason, "it came before the first whole checkpoint"));
}

TEST_CASE("own checkpoints: a block whose time was up without a newer one has made no progress") {
  Story story;
  CHECK(own(story, Outcome::stopped, version(1, 1), StopCause::deadline).action == Action::resume);
  const Decision decision = own(story, Outcome::crashed, version(1, 1), StopCause::deadline);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "without a newer whole checkpoint than model.pt (epoch 1)"));
  story.facts.block_seconds = 3600;
  CHECK(contains(own(story, Outcome::crashed, version(1, 1), StopCause::deadline).reason,
                 "no whole checkpoint came within a block (1 h 00 min)"));
}

TEST_CASE("own checkpoints: a pattern that nothing ever matched is told, rather than to write them more often") {
  Story story;
  story.facts.block_seconds = 3600;
  BlockResult& result = story.begin();
  result.linked = result.own_matched = false;
  result.keeps_own = story.facts.keeps_own = true;
  result.asked = StopCause::deadline;
  const Decision decision = story.end(Outcome::crashed);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "nothing that --latest names was there"));
  CHECK_FALSE(contains(decision.reason, "more often"));
}

TEST_CASE("own checkpoints: that nothing matched is told after a crash, too") {
  Story story;
  BlockResult& result = story.begin();
  result.linked = result.own_matched = false;
  result.keeps_own = story.facts.keeps_own = true;
  CHECK(contains(story.end(Outcome::crashed).reason, "not tried again; nothing that --latest names was there"));
}

TEST_CASE("own checkpoints: a block whose numbers began again is refused however it ended and however far it came, unless it is complete") {
  Story story;
  const auto [outcome, asked, epoch, action] = GENERATE(table<Outcome, StopCause, std::uint64_t, Action>(
      {{Outcome::crashed, StopCause::nobody, 9, Action::stop},
       {Outcome::stopped, StopCause::deadline, 12, Action::stop},
       {Outcome::stopped, StopCause::job, 12, Action::stop},
       {Outcome::stopped, StopCause::user, 12, Action::leave},
       {Outcome::finished, StopCause::nobody, 12, Action::complete}}));
  BlockResult& result = story.begin();
  result.linked = false;
  result.keeps_own = story.facts.keeps_own = result.own_began_again = true;
  result.asked = asked;
  result.own_from = version(9, 9);
  story.facts.checkpoint = result.own_newest = version(epoch, 12);
  const Decision decision = story.end(outcome);
  CHECK(decision.action == action);
  if (action == Action::stop) CHECK(contains(decision.reason, "wrote has lower numbers than model.pt (epoch 9), from which it went on"));
}

TEST_CASE("own checkpoints: a block that was killed while it stopped is followed by one, which has more time for that") {
  Story story;
  story.facts.block_seconds = 3600;
  const auto cut_off = [&](double seconds) {
    BlockResult& result = story.begin();
    result.linked = result.own_matched = false;
    result.keeps_own = story.facts.keeps_own = result.stop_cut_off = true;
    result.asked = StopCause::deadline;
    result.whole_seconds = 3600;
    result.stop_seconds = seconds;
    return story.end(Outcome::crashed);
  };
  CHECK(cut_off(150).action == Action::start_fresh);
  const Decision decision = cut_off(480);
  CHECK(decision.action == Action::stop);
  CHECK(contains(decision.reason, "block 2 had not ended 8 min after its stop signal"));
  story = {};
  CHECK(cut_off(2000).action == Action::stop);        // there is no more time
}

TEST_CASE("own checkpoints: a run that had some and has none whole does not start over") {
  ChainFacts facts;
  facts.keeps_own = facts.had_checkpoints = true;
  CHECK(decide(facts, Event::starting).action == Action::stop);
  facts.checkpoint = version(4, 4);
  CHECK(decide(facts, Event::starting).reason == "model.pt (epoch 4)");
}
