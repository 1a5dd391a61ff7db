// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <set>

#include "unit/slurm/recorded_output.hpp"

using namespace ckpt::supervisor;
using namespace ckpt::supervisor::doctor;
using ckpt::testing::recorded;

namespace {

slurm::Configuration configuration(const std::string& more = "") {   // what comes first counts
  return slurm::Configuration(more + recorded("scontrol-show-config"));
}

Facts site(const std::string& more = "") {
  Facts facts;
  facts.place.place = slurm::Place::login_node;
  facts.site.configuration = configuration(more);
  facts.site.partitions = slurm::parse_partitions(recorded("scontrol-show-partition-o"));
  facts.site.clock_skew_seconds = 0;
  facts.storage.directory = "/scratch/alice";
  facts.storage.mount = {"lustre", "server:/scratch", "/scratch"};
  facts.storage.volume = ckpt::io::VolumeInfo{100u << 20, 1000u << 20, false, false};
  facts.storage.create = facts.storage.sync = facts.storage.link = facts.storage.rename = 0;
  facts.storage.sync_directory = facts.storage.direct = 0;
  facts.storage.clock_skew_seconds = 0;
  facts.storage.quota = Quota{};
  facts.machine.memory_allowed_bytes = 8u << 20;
  return facts;
}

Facts with_run(Facts facts, std::vector<std::string> command = {"./train"}) {
  facts.run = RunFacts{};
  facts.run->name = "fashion";
  facts.run->command = std::move(command);
  return facts;
}

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

// Whatever it says, it is one line, and a warning tells what to do.
void require_well_formed(const Finding& finding) {
  INFO(finding.subject << ": " << finding.text);
  REQUIRE_FALSE(finding.subject.empty());
  REQUIRE_FALSE(finding.text.empty());
  REQUIRE(finding.text.find('\n') == std::string::npos);
  REQUIRE(finding.remedy.empty() == (finding.verdict != Verdict::warning));
}

}  // namespace

TEST_CASE("every finding has a subject of its own, a text, and a remedy when it warns") {
  Facts silent;
  silent.storage.directory = "/scratch/alice";
  silent.storage.quota_unknown = "nothing was told";
  Facts broken = with_run(site("ProctrackType = proctrack/cgroup\nEnforcePartLimits = NO\n"), {"torchrun", "train.py"});
  broken.storage.create = EACCES;
  broken.storage.volume.reset();
  broken.submission = slurm::SubmissionTrial{false, "sbatch is not in PATH"};
  for (const Facts& facts : {silent, site(), with_run(site()), broken}) {
    std::set<std::string> subjects;
    for (const Finding& finding : examine(facts)) {
      require_well_formed(finding);
      CHECK(subjects.insert(finding.subject).second);
    }
  }
}

TEST_CASE("off the cluster it says what it could not ask, and examines the rest") {
  Facts facts = site();
  facts.place = {slurm::Place::elsewhere, "scontrol is not in PATH"};
  facts.site = {};
  const Findings findings = examine(facts);
  CHECK(findings.front().verdict == Verdict::unknown);
  CHECK(has(findings.front().text, "scontrol is not in PATH"));
  CHECK(findings.size() == 11);
}

TEST_CASE("a Slurm that does not answer is told from none") {
  Facts facts = site();
  facts.site = {};
  facts.site.why_not = "scontrol gave no answer within 5.0 s";
  CHECK(has(examine(facts).front().text, "did not answer (scontrol gave no answer within 5.0 s)"));
}

// ---- Signals ----------------------------------------------------------------------------------------------------------

TEST_CASE("without exec: under proctrack/cgroup nothing arrives, which is a warning; elsewhere TERM does") {
  CHECK(check_signals_without_exec(site()).verdict == Verdict::good);
  const Facts cgroup = site("ProctrackType = proctrack/cgroup\n");
  CHECK(check_signals_without_exec(cgroup).verdict == Verdict::warning);
  CHECK(has(check_signals_without_exec(cgroup).remedy, "exec ckptrun"));
  CHECK(check_signals_without_exec(Facts{}).verdict == Verdict::unknown);
}

TEST_CASE("without exec: the job script of the run is looked at") {
  Facts facts = with_run(site("ProctrackType = proctrack/cgroup\n"));
  facts.run->script = "#!/bin/bash\n#SBATCH --time=1:00:00\nmodule load python\n  exec ckptrun -- ./train\n# ckptrun\n";
  CHECK(check_signals_without_exec(facts).verdict == Verdict::good);
  facts.run->script = "#!/bin/bash\nckptrun -- ./train\n# not: exec ckptrun\n";
  const Finding finding = check_signals_without_exec(facts);
  CHECK(finding.verdict == Verdict::warning);
  CHECK(has(finding.remedy, "before ckptrun in the job script of fashion"));
}

TEST_CASE("srun is named, and passes signals on") {
  const Finding finding = check_launcher(with_run(site(), {"srun", "-n1", "./prog"}));
  CHECK(finding.verdict == Verdict::good);
  CHECK(has(finding.text, "srun is between"));
}

TEST_CASE("a launcher between ckptrun and a program without libckpt may swallow the stop") {
  using Words = std::vector<std::string>;
  for (const Words& command : {Words{"torchrun", "train.py"}, Words{"/opt/bin/uv", "run", "train.py"}, Words{"conda", "run", "x"},
                               Words{"srun", "-n", "4", "apptainer", "exec", "x.sif", "./train"},
                               Words{"env", "A=b", "bash", "train.sh"},
                               Words{"python", "-m", "torch.distributed.run", "train.py"}}) {
    Facts facts = with_run(site(), command);
    INFO(command.front());
    CHECK(check_launcher(facts).verdict == Verdict::warning);
    facts.run->links_libckpt = true;
    CHECK(check_launcher(facts).verdict == Verdict::good);
  }
  for (const Words& command : {Words{"python", "train.py", "--env", "conda"}, Words{"./train"}, Words{"srun", "./train"}})
    CHECK(check_launcher(with_run(site(), command)).verdict == Verdict::good);
  CHECK(check_launcher(site()).verdict == Verdict::unknown);
}

TEST_CASE("a program in a container that ckptrun itself starts hears of a stop") {
  Facts facts = with_run(site(), {"python", "train.py"});
  facts.run->container = "singularity";
  const Finding finding = check_launcher(facts);
  CHECK(finding.verdict == Verdict::good);
  CHECK(has(finding.text, "singularity is between ckptrun and the program"));
}

// ---- Time -------------------------------------------------------------------------------------------------------------

TEST_CASE("the time limit is that of the partition meant") {
  CHECK(has(check_time_limit(site()).text, "partition main: 1 h 00 min at most; only 5 min where"));
  Facts facts = with_run(site());
  facts.partition = "high";
  CHECK(check_time_limit(facts).text == "partition high: 1 h 00 min at most");
  facts.run->block_seconds = 86400;
  CHECK(check_time_limit(facts).verdict == Verdict::warning);
  facts.partition = "absent";
  CHECK(has(check_time_limit(facts).text, "there is no partition absent"));
}

TEST_CASE("limits that are left pending for ever are a warning") {
  CHECK(check_long_limits(site()).verdict == Verdict::good);
  CHECK(check_long_limits(site("EnforcePartLimits = NO\n")).verdict == Verdict::warning);
}

TEST_CASE("kill wait, lateness and requeue are told with their figures") {
  CHECK(has(check_kill_wait(site("KillWait = 30 sec\n")).text, "KILL comes 30 s after TERM"));
  CHECK(has(check_kill_wait(site("KillWait = 1 sec\n")).text, "5.0 s after TERM"));
  CHECK(has(check_over_time_limit(site("OverTimeLimit = 10 min\n")).text, "10 min over its limit"));
  CHECK(has(check_requeue(site()).text, "started again; its log is then truncated"));
  CHECK(check_requeue(site("JobFileAppend = 1\n")).text == "a block whose node fails is started again");
  CHECK(has(check_requeue(site("JobRequeue = 0\n")).text, "the next block of the chain goes on"));
}

TEST_CASE("preemption: without notice, or without a word to the script, is a warning") {
  Facts facts = site();
  CHECK(check_preemption(facts).verdict == Verdict::good);             // main: PreemptMode OFF
  facts.partition = "low";                                             // REQUEUE, 10 s, preempt_send_user_signal
  CHECK(check_preemption(facts).verdict == Verdict::good);
  CHECK(has(check_preemption(facts).text, "10 s of notice"));
  facts.site.configuration = configuration("SlurmctldParameters = (null)\n");
  CHECK(check_preemption(facts).verdict == Verdict::warning);
  facts.site.partitions[1].grace_seconds = 0;
  CHECK(has(check_preemption(facts).text, "without notice"));
  facts.partition = "nope";
  CHECK(check_preemption(facts).verdict == Verdict::unknown);
  CHECK(has(check_preemption(facts).text, "there is no partition nope"));
  facts.site.configuration = configuration("PreemptType = preempt/none\n");
  CHECK(check_preemption(facts).verdict == Verdict::good);
}

TEST_CASE("preemption by QOS has the shortest grace of those that the user may have") {
  Facts facts = site("PreemptType = preempt/qos\n");
  facts.partition = "low";
  facts.account.qos = {{"QOS a", {}, {}, {}, 120}, {"QOS b", {}, {}, {}, 30}};
  CHECK(has(check_preemption(facts).text, "30 s of notice"));
}

TEST_CASE("a clock that is off is a warning, the controller's and the file server's") {
  Facts facts = site();
  CHECK(check_controller_clock(facts).verdict == Verdict::good);
  facts.site.clock_skew_seconds = -90;
  facts.storage.clock_skew_seconds = 90;
  CHECK(has(check_controller_clock(facts).text, "90 s behind"));
  CHECK(has(check_file_server_clock(facts).text, "90 s ahead"));
  facts.site.clock_skew_seconds.reset();
  CHECK(check_controller_clock(facts).verdict == Verdict::unknown);
}

// ---- Jobs -------------------------------------------------------------------------------------------------------------

TEST_CASE("a chain longer than an array may be is a warning") {
  Facts facts = with_run(site());
  CHECK(has(check_array_size(facts).text, "up to 1000 blocks"));
  facts.run->blocks_to_submit = 1000;
  CHECK(check_array_size(facts).verdict == Verdict::good);
  facts.run->blocks_to_submit = 1001;
  CHECK(check_array_size(facts).verdict == Verdict::warning);
}

TEST_CASE("limits of the accounting warn when no QOS of the user takes the chain") {
  Facts facts = with_run(site());
  facts.run->blocks_to_submit = 60;
  std::vector<std::string> usable;
  facts.account.associations = slurm::parse_associations(recorded("sacctmgr-show-assoc"), usable);
  facts.account.qos = slurm::parse_qos(recorded("sacctmgr-show-qos"), usable);
  const Finding finding = check_job_limits(facts);
  CHECK(finding.verdict == Verdict::good);       // QOS normal has no limit
  CHECK(has(finding.text, "account physics: 100 may run or wait, 20 run at once; QOS long: 50 may run or wait"));
  facts.account.qos.erase(facts.account.qos.begin());
  CHECK(check_job_limits(facts).verdict == Verdict::warning);
  facts.account.why_not = "sacctmgr is not in PATH";
  CHECK(check_job_limits(facts).verdict == Verdict::unknown);
}

TEST_CASE("whether a job can submit is only known in a job") {
  Facts facts = site();
  CHECK(check_submission_from_jobs(facts).verdict == Verdict::unknown);
  facts.submission = slurm::SubmissionTrial{true, {}};
  CHECK(check_submission_from_jobs(facts).verdict == Verdict::good);
  facts.submission = slurm::SubmissionTrial{false, "sbatch is not in PATH"};
  CHECK(check_submission_from_jobs(facts).text == "sbatch is not in PATH");
  CHECK(check_submission_from_jobs(facts).verdict == Verdict::warning);
}

// ---- Storage and machine ----------------------------------------------------------------------------------------------

TEST_CASE("space and quota are held against the snapshots still to come") {
  Facts facts = with_run(site());
  CHECK(check_space(facts).verdict == Verdict::good);
  facts.run->snapshot_bytes = 40u << 20;           // three are needed, one is there
  facts.run->snapshots = 1;
  CHECK(has(check_space(facts).text, "fashion needs 80.0 MiB more"));
  CHECK(check_space(facts).verdict == Verdict::good);
  facts.run->snapshots = 0;
  CHECK(check_space(facts).verdict == Verdict::warning);
  facts.run->snapshots = 9;
  facts.storage.quota = Quota{70u << 20, 100u << 20, 1, 0};
  CHECK(check_quota(facts).verdict == Verdict::warning);
  facts.storage.quota = Quota{50u << 20, 100u << 20, 1, 0};
  CHECK(check_quota(facts).verdict == Verdict::good);
  facts.storage.quota = Quota{0, 0, 95, 100};
  CHECK(has(check_quota(facts).text, "95 of 100 files"));
  CHECK(check_quota(facts).verdict == Verdict::warning);
}

TEST_CASE("a place that cannot hold a run is a warning, one that lacks a feature is not") {
  Facts facts = site();
  CHECK(check_file_system(facts).text == "/scratch/alice (lustre)");
  facts.storage.link = EPERM;
  facts.storage.direct = EINVAL;
  facts.storage.sync_directory = EINVAL;
  for (const auto& check : {check_links, check_direct_writes, check_directory_sync}) CHECK(check(facts).verdict == Verdict::good);
  facts.storage.rename = EINVAL;
  CHECK(check_links(facts).verdict == Verdict::warning);
  facts.storage.sync = EIO;
  CHECK(check_file_system(facts).verdict == Verdict::warning);
  facts.storage.create = EROFS;
  CHECK(has(check_file_system(facts).text, "Read-only file system"));
  facts.storage.volume->in_memory = true;
  CHECK(has(check_file_system(facts).text, "is memory"));
}

TEST_CASE("a state that does not fit the memory for staging is a warning, in a job") {
  Facts facts = with_run(site());
  facts.run->state_bytes = 5u << 20;
  CHECK(check_memory(facts).verdict == Verdict::unknown);      // a login node's limits are not a job's
  facts.place.place = slurm::Place::in_job;
  CHECK(check_memory(facts).verdict == Verdict::warning);
  facts.run->state_bytes = 4u << 20;
  CHECK(check_memory(facts).verdict == Verdict::good);
}

TEST_CASE("io_uring that is not allowed is no harm") {
  Facts facts = site();
  facts.machine.io_uring_error = EPERM;
  CHECK(check_io_uring(facts).verdict == Verdict::good);
  CHECK(has(check_io_uring(facts).text, "Operation not permitted"));
}
