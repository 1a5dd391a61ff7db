// SPDX-License-Identifier: Apache-2.0
#include "slurm/owner.hpp"

#include <catch2/catch.hpp>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

namespace {

constexpr double claimed = 1795253184;   // when the recorded jobs started

// On another machine, so that nothing here tells whether it lives.
rundir::Claim claim_of(const std::string& job_id, std::uint64_t restart_count = 0) {
  rundir::Claim claim;
  claim.who = identify_self();
  claim.who.boot_id = claim.who.machine_id = "elsewhere";
  claim.who.pid = 4711;
  claim.job_id = job_id;
  claim.cluster = "sandbox";
  claim.restart_count = restart_count;
  claim.claimed = claimed;
  return claim;
}

JobAnswer told(const std::string& job_record) {
  return {JobAnswer::Kind::found, parse_scontrol_jobs(job_record), {}, false};
}

JobAnswer accounted(std::initializer_list<JobState> starts) {
  JobAnswer answer{JobAnswer::Kind::found, {}, {}, true};
  for (const JobState state : starts) {
    answer.jobs.emplace_back();
    answer.jobs.back().state = state;
  }
  return answer;
}

OwnerState owner(const std::string& state_and_more, std::uint64_t restart_count = 0) {
  const std::string me = identify_self().user;
  return judge_owner(claim_of("7", restart_count), told("JobId=7 " + state_and_more), me);
}

const JobAnswer forgotten{JobAnswer::Kind::forgotten, {}, {}, false};
const JobAnswer silent{JobAnswer::Kind::silent, {}, "no answer", false};

}  // namespace

TEST_CASE("an owner lives as long as its job holds nodes, its last moments included") {
  for (const char* state : {"RUNNING", "SUSPENDED", "COMPLETING", "STOPPED", "SIGNALING", "CONFIGURING", "STAGE_OUT"})
    CHECK(owner("JobState=" + std::string(state) + " Restarts=0") == OwnerState::alive);
}

TEST_CASE("an owner is gone when its job is over or waits again") {
  for (const char* state : {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "PENDING"})
    CHECK(owner("JobState=" + std::string(state) + " Restarts=0") == OwnerState::gone);
}

TEST_CASE("an owner is gone when its job was started anew since") {
  CHECK(owner("JobState=RUNNING Restarts=1") == OwnerState::gone);
  CHECK(owner("JobState=PENDING Restarts=1") == OwnerState::gone);
  CHECK(owner("JobState=RUNNING Restarts=1", 1) == OwnerState::alive);
}

TEST_CASE("an owner whose requeued job still ends is not gone yet, although the restart is counted") {
  CHECK(owner("JobState=COMPLETING Restarts=1", 0) == OwnerState::alive);
  CHECK(owner("JobState=COMPLETING Restarts=2", 0) == OwnerState::gone);
}

TEST_CASE("an owner's state is unknown where Slurm does not say or is not understood") {
  CHECK(owner("JobState=HOVERING Restarts=0") == OwnerState::unknown);
  CHECK(owner("Restarts=0") == OwnerState::unknown);
  CHECK(judge_owner(claim_of("7"), silent, identify_self().user) == OwnerState::unknown);
}

TEST_CASE("a job whose restarts are not told is alive as long as it runs") {
  CHECK(owner("JobState=RUNNING", 1) == OwnerState::alive);
}

TEST_CASE("a forgotten job is gone, unless it is somebody else's, which the controller may hide") {
  CHECK(judge_owner(claim_of("7"), forgotten, identify_self().user) == OwnerState::gone);
  CHECK(judge_owner(claim_of("7"), forgotten, "somebody else") == OwnerState::unknown);
}

TEST_CASE("a number that was given to another job since says that ours is forgotten") {
  CHECK(owner("JobState=RUNNING Restarts=0 SubmitTime=2026-11-28T09:26:24") == OwnerState::gone);
  CHECK(owner("JobState=RUNNING Restarts=0 SubmitTime=2026-11-21T09:26:20") == OwnerState::alive);
  CHECK(owner("JobState=RUNNING Restarts=0", 2) == OwnerState::gone);
}

TEST_CASE("how a job ended is told by its last state") {
  const auto end = [](const char* state) {
    return judge_end(claim_of("7"), told("JobId=7 Restarts=0 JobState=" + std::string(state)), {});
  };
  CHECK(end("NODE_FAIL") == JobEnd::node_failed);
  CHECK(end("PREEMPTED") == JobEnd::preempted);
  CHECK(end("CANCELLED") == JobEnd::cancelled);
  CHECK(end("TIMEOUT") == JobEnd::timeout);
  CHECK(end("OUT_OF_MEMORY") == JobEnd::out_of_memory);
  CHECK(end("FAILED") == JobEnd::failed);
  CHECK(end("COMPLETED") == JobEnd::completed);
  CHECK(end("RUNNING") == JobEnd::unknown);
  CHECK(end("HOVERING") == JobEnd::unknown);
}

TEST_CASE("why a job was requeued only the accounting knows, start by start") {
  const JobAnswer again = told("JobId=7 Restarts=2 JobState=RUNNING");
  CHECK(judge_end(claim_of("7", 0), again, silent) == JobEnd::requeued);
  const JobAnswer starts = accounted({JobState::node_fail, JobState::preempted, JobState::running});
  CHECK(judge_end(claim_of("7", 0), again, starts) == JobEnd::node_failed);
  CHECK(judge_end(claim_of("7", 1), again, starts) == JobEnd::preempted);
  CHECK(judge_end(claim_of("7", 2), again, starts) == JobEnd::unknown);
  CHECK(judge_end(claim_of("7", 0), again, accounted({JobState::requeued})) == JobEnd::requeued);
  CHECK(judge_end(claim_of("7", 1), again, accounted({JobState::node_fail})) == JobEnd::requeued);   // it lags
}

TEST_CASE("how a forgotten job ended the accounting knows, or nobody") {
  CHECK(judge_end(claim_of("7"), forgotten, accounted({JobState::timeout})) == JobEnd::timeout);
  CHECK(judge_end(claim_of("7"), forgotten, silent) == JobEnd::unknown);
}

TEST_CASE("what this machine knows for certain asks nobody") {
  FakeSlurm slurm;
  Owners owners(system_clock(), "sandbox");
  rundir::Claim claim = claim_of("4");
  CHECK(owners.state(claim, identify_self()) == OwnerState::alive);
  ProcessIdentity gone = identify_self();
  gone.start_ticks += 1;
  CHECK(owners.state(claim, gone) == OwnerState::gone);
  CHECK(slurm.calls().empty());
}

TEST_CASE("a block's processes are asked for once, not each") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-show-job-4", recorded("scontrol-show-job-o-array-task"));
  Owners owners(system_clock(), "sandbox");
  const rundir::Claim claim = claim_of("4");
  CHECK(owners.state(claim, claim.who) == OwnerState::alive);
  CHECK(owners.state(claim, claim.who) == OwnerState::alive);
  CHECK(slurm.calls() == std::vector<std::string>{"scontrol show job -o 4"});
}

TEST_CASE("a job of another cluster is unknown, whatever ours says of its number") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-show-job-4", recorded("scontrol-show-job-o-array-task"));
  slurm.answer_recorded("scontrol-show-config", recorded("scontrol-show-config"));
  rundir::Claim claim = claim_of("4");
  CHECK(Owners(system_clock(), "other").state(claim, claim.who) == OwnerState::unknown);
  CHECK(Owners(system_clock(), "other").how_ended(claim) == JobEnd::unknown);
  CHECK(slurm.calls().empty());
  CHECK(Owners(system_clock(), "").state(claim, claim.who) == OwnerState::alive);   // asks for the name of ours
  claim.cluster = "other";
  CHECK(Owners(system_clock(), "").state(claim, claim.who) == OwnerState::unknown);
}

TEST_CASE("a block outside of a job is unknown to Slurm") {
  FakeSlurm slurm;
  const rundir::Claim claim = claim_of("");
  CHECK(Owners(system_clock(), "sandbox").state(claim, claim.who) == OwnerState::unknown);
  CHECK(slurm.calls().empty());
}

TEST_CASE("the accounting is asked only for what the controller does not know") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-show-job-1", recorded("scontrol-show-job-o-node-fail-norequeue"));
  slurm.answer_recorded("scontrol-show-job-9", recorded("scontrol-unknown-job"));
  slurm.write("sacct.out", "9|9|OUT_OF_MEMORY|0:9|2026-11-21T09:27:24|2026-11-21T09:27:24|2026-11-21T09:27:26|00:05:00|"
                           "main|||alice|n1|x\n");
  Owners owners(system_clock(), "sandbox");
  CHECK(owners.how_ended(claim_of("1")) == JobEnd::node_failed);
  CHECK(slurm.calls().size() == 1);
  CHECK(owners.how_ended(claim_of("9")) == JobEnd::out_of_memory);
}
