// SPDX-License-Identifier: Apache-2.0
#include "slurm/onlooker.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"
#include "unit/io/temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;
using ckpt::testing::TemporaryDirectory;

namespace {

class SteppingClock : public Clock {
 public:
  double monotonic_seconds() override { return system_clock().monotonic_seconds() + later; }
  double wall_seconds() override { return system_clock().wall_seconds(); }
  void sleep_seconds(double) override {}
  double later = 0;
};

struct Looking {
  Looking() {
    slurm.answer_recorded("scontrol-show-config", recorded("scontrol-show-config"));   // ClusterName=sandbox
    slurm.write("scancel.out", "");
    std::filesystem::create_directories(folder / "run");
  }
  void job(const std::string& id, const std::string& state) {
    slurm.write("scontrol-show-job-" + id + ".out", "JobId=" + id + " JobState=" + state + " Restarts=0\n");
  }
  std::size_t calls() const { return slurm.calls().size(); }
  rundir::Layout layout() const { return rundir::Layout(folder / "run"); }

  FakeSlurm slurm;
  TemporaryDirectory folder;
  SteppingClock clock;
  io::FileSystem& fs = io::posix_file_system();
  Onlooker onlooker{clock};
};

rundir::Claim claim_of(const std::string& job_id, const std::string& cluster = "sandbox") {
  rundir::Claim claim;
  claim.who = identify_self();
  claim.who.boot_id = claim.who.machine_id = "elsewhere";
  claim.job_id = job_id;
  claim.cluster = cluster;
  return claim;
}

rundir::Claim task_of(const std::string& array, const std::string& task, const std::string& job) {
  rundir::Claim claim = claim_of(job);
  claim.array_id = array;
  claim.array_task = task;
  return claim;
}

const std::string chain = "JobId=9 ArrayJobId=8 ArrayTaskId=1 ArrayTaskThrottle=1 JobState=RUNNING Restarts=0\n"
                          "JobId=8 ArrayJobId=8 ArrayTaskId=2-4%1 ArrayTaskThrottle=1 JobState=PENDING Restarts=0\n";

}  // namespace

TEST_CASE("an owner on another node lives while its job does, and Slurm is asked once for all its processes") {
  Looking look;
  look.job("7", "RUNNING");
  for (int i = 0; i < 3; ++i) CHECK(look.onlooker.owner_state(claim_of("7"), claim_of("7").who) == OwnerState::alive);
  CHECK(look.calls() == 2);
  look.job("7", "COMPLETED");
  CHECK(look.onlooker.owner_state(claim_of("7"), claim_of("7").who) == OwnerState::alive);   // half a minute old at most
  look.clock.later = 31;
  CHECK(look.onlooker.owner_state(claim_of("7"), claim_of("7").who) == OwnerState::gone);
}

TEST_CASE("what this machine knows for certain is not asked") {
  Looking look;
  rundir::Claim mine = claim_of("7");
  mine.who = identify_self();
  CHECK(look.onlooker.owner_state(mine, mine.who) == OwnerState::alive);
  CHECK(look.onlooker.owner_state_among_many(mine, mine.who) == OwnerState::alive);
  CHECK(look.onlooker.owner_state(claim_of(""), claim_of("").who) == OwnerState::unknown);
  CHECK(look.calls() == 0);
}

TEST_CASE("a job of another cluster is unknown, and never cancelled") {
  Looking look;
  look.job("7", "COMPLETED");
  const rundir::Claim claim = claim_of("7", "elsewhere");
  CHECK(look.onlooker.owner_state(claim, claim.who) == OwnerState::unknown);
  CHECK_FALSE(look.onlooker.queue(look.fs, look.layout(), claim));
  CHECK(look.calls() == 1);
}

TEST_CASE("a Slurm that is silent is asked once, then left alone for a while") {
  Looking look;
  look.slurm.write("scontrol.fail", "1000");
  for (const char* job : {"7", "8", "9"}) {
    CHECK(look.onlooker.owner_state(claim_of(job), claim_of(job).who) == OwnerState::unknown);
    CHECK(look.onlooker.owner_state_among_many(claim_of(job), claim_of(job).who) == OwnerState::unknown);
    CHECK_FALSE(look.onlooker.queue(look.fs, look.layout(), claim_of(job)));
  }
  CHECK(look.calls() == 1);
  look.slurm.write("scontrol.fail", "0");
  look.job("7", "RUNNING");
  look.clock.later = 31;
  CHECK(look.onlooker.owner_state(claim_of("7"), claim_of("7").who) == OwnerState::alive);
}

TEST_CASE("for two hundred runs there is one question about jobs") {
  Looking look;
  look.slurm.write("squeue.out", "107|107|N/A|RUNNING|None|N/A|N/A|N/A|1:00|main|a|q|alice|n1|/home|name\n");
  for (int job = 0; job < 200; ++job) {
    const rundir::Claim claim = claim_of(std::to_string(job));
    CHECK(look.onlooker.owner_state_among_many(claim, claim.who) == (job == 107 ? OwnerState::alive : OwnerState::gone));
  }
  CHECK(look.calls() == 2);
}

TEST_CASE("what waits of a chain is told from outside, and cancelled from outside") {
  Looking look;
  look.slurm.write("scontrol-show-job-8.out", chain);
  const rundir::Claim claim = task_of("8", "1", "9");
  const auto queue = look.onlooker.queue(look.fs, look.layout(), claim);
  REQUIRE(queue);
  CHECK(queue->is_chain == true);
  CHECK(queue->waiting == 3);
  look.slurm.write("scancel.run", "echo 'JobId=9 ArrayJobId=8 ArrayTaskId=1 ArrayTaskThrottle=1 JobState=RUNNING' "
                                  ">scontrol-show-job-8.out");
  CHECK(look.onlooker.cancel_waiting(look.fs, look.layout(), claim).empty());
  const auto& calls = look.slurm.calls();
  CHECK(std::count(calls.begin(), calls.end(), "scancel --state=PENDING 8") == 1);
  CHECK(look.onlooker.queue(look.fs, look.layout(), claim)->waiting == 0);
}
