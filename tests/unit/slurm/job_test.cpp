// SPDX-License-Identifier: Apache-2.0
#include "slurm/job.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

namespace {

Job only_job(const std::string& name) {
  const auto jobs = parse_scontrol_jobs(recorded(name));
  REQUIRE(jobs.size() == 1);
  return jobs.front();
}

std::map<std::string, JobState> states(const std::string& name) {
  std::map<std::string, JobState> result;
  for (const Job& job : parse_scontrol_jobs(recorded(name))) result[job.id] = job.state;
  return result;
}

const Attempts one_try = once(30);

}  // namespace

TEST_CASE("a running task of an array is read whole") {
  const Job job = only_job("scontrol-show-job-o-array-task");
  CHECK(job.id == "4");
  CHECK(job.array_id == "1");
  CHECK(job.tasks->single() == 1);
  CHECK(job.throttle == 1);
  CHECK(job.name == "chain");
  CHECK(job.user == "alice");
  CHECK(job.state == JobState::running);
  CHECK(job.restarts == 0);
  CHECK(job.requeue);
  CHECK(job.limit_seconds == 120);
  CHECK(job.started == 1795253184);
  CHECK(job.ends == 1795253304);
  CHECK(job.partition == "main");
  CHECK(job.account.empty());
  CHECK(job.qos == "normal");
  CHECK(job.nodes == "n1");
  CHECK(job.work_directory == "/home/alice");
  CHECK(job.output == "/home/alice/a-1_1.out");
  CHECK(job.exit == ExitStatus{0, 0});
}

TEST_CASE("every recorded state of a job is known") {
  for (const char* name : {"states-all", "scontrol-show-job-o-all", "nodefail-requeued"})
    for (const auto& [id, state] : states(name)) CHECK(state != JobState::unknown);
  CHECK(only_job("scontrol-show-job-o-cancelled").state == JobState::cancelled);
  CHECK(only_job("scontrol-show-job-o-node-fail-norequeue").state == JobState::node_fail);
  CHECK(only_job("scontrol-show-job-o-signalled").exit == ExitStatus{0, 9});
  CHECK(only_job("scontrol-show-job-o-failed").exit == ExitStatus{3, 0});
  CHECK(only_job("scontrol-show-job-o-pending").state == JobState::pending);
  const auto after_timeout = states("scontrol-show-job-o-array-timeout");
  CHECK(after_timeout.at("22") == JobState::running);
  CHECK(after_timeout.at("27") == JobState::timeout);
}

TEST_CASE("a requeued job waits, with a restart more") {
  const Job job = only_job("state-after-scontrol-requeue");
  CHECK(is_waiting(job.state));
  CHECK(job.restarts == 1);
  CHECK(job.reason == "BeginTime");
}

TEST_CASE("the tasks of an array that wait are one record, the cancelled rest has no task any more") {
  const auto jobs = parse_scontrol_jobs(recorded("scontrol-show-job-o-array"));
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].id == "1");
  CHECK(jobs[0].tasks->count() == 2);
  CHECK_FALSE(jobs[0].ends);
  const auto after = parse_scontrol_jobs(recorded("scontrol-show-job-o-array-after-scancel"));
  REQUIRE(after.size() == 2);
  CHECK_FALSE(after[0].tasks);
  CHECK(after[0].state == JobState::cancelled);
}

TEST_CASE("of a state with several words the one counts that says whether processes may run") {
  CHECK(parse_state("CANCELLED by 1001") == JobState::cancelled);
  CHECK(parse_state("CANCELLED,COMPLETING") == JobState::completing);
  CHECK(parse_state("PENDING,REQUEUED") == JobState::pending);
  CHECK(parse_state("CANCELLED+") == JobState::cancelled);
  CHECK(parse_state("HOVERING") == JobState::unknown);
  CHECK(parse_state("") == JobState::unknown);
}

TEST_CASE("a job's last moments hold its nodes still") {
  CHECK(holds_nodes(JobState::completing));
  CHECK(holds_nodes(JobState::suspended));
  CHECK_FALSE(is_over(JobState::completing));
  CHECK(is_over(JobState::out_of_memory));
  CHECK(is_waiting(JobState::requeue_hold));
  CHECK_FALSE(is_waiting(JobState::unknown));
  CHECK_FALSE(holds_nodes(JobState::unknown));
  CHECK_FALSE(is_over(JobState::unknown));
}

TEST_CASE("asked for the last task of an array, whose number is the array's own, only that one is shown") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-show-job-22", recorded("scontrol-show-job-o-array-timeout"));
  const JobAnswer answer = show_job(system_clock(), "22", one_try);
  REQUIRE(answer.jobs.size() == 1);
  CHECK(answer.jobs.front().tasks->single() == 2);
  CHECK(show_array(system_clock(), "22", one_try).jobs.size() == 2);
  CHECK(slurm.calls().front() == "scontrol show job -o 22");
}

TEST_CASE("the last task of an array is forgotten when only others are shown, unknown when it is another job") {
  FakeSlurm slurm;
  slurm.write("scontrol.out", "JobId=27 ArrayJobId=22 ArrayTaskId=1 JobState=PENDING\n");
  CHECK(show_job(system_clock(), "22", one_try, false).kind == JobAnswer::Kind::forgotten);
  CHECK(show_job(system_clock(), "28", one_try, false).kind == JobAnswer::Kind::silent);
}

TEST_CASE("a job that the controller does not know is forgotten, which is no failure") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol", recorded("scontrol-unknown-job"));
  slurm.answer_recorded("sacct", recorded("sacct-without-accounting"));
  CHECK(show_job(system_clock(), "99999", one_try).kind == JobAnswer::Kind::forgotten);
  CHECK(show_array(system_clock(), "99999", one_try).kind == JobAnswer::Kind::forgotten);
}

TEST_CASE("the accounting knows what the controller has forgotten, each start of a requeued job by itself") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol", recorded("scontrol-unknown-job"));
  slurm.write("sacct.out",
              "26|26|REQUEUED|0:0|2026-11-21T09:27:24|2026-11-21T09:27:24|2026-11-21T09:27:26|00:05:00|main||normal|"
              "alice|n1|a|b\n"
              "26|26|FAILED|3:0|2026-11-21T09:27:26|2026-11-21T09:29:27|2026-11-21T09:29:30|00:05:00|main||normal|"
              "alice|n2|a|b\n");
  const JobAnswer answer = show_job(system_clock(), "26", one_try);
  REQUIRE(answer.jobs.size() == 1);
  CHECK(answer.from_accounting);
  CHECK(answer.jobs.front().state == JobState::failed);
  CHECK(answer.jobs.front().nodes == "n2");
  CHECK(answer.jobs.front().name == "a|b");
  const JobAnswer history = job_history(system_clock(), "26", one_try);
  REQUIRE(history.jobs.size() == 2);
  CHECK(history.jobs.front().state == JobState::requeued);
}

TEST_CASE("without scontrol the queue is asked") {
  FakeSlurm slurm({"squeue"});
  slurm.write("squeue.out", "slurm wonders\n"
                            "4|1|1|RUNNING|None|2026-11-21T09:26:24|2026-11-21T09:28:24|2026-11-21T09:26:24|2:00|main|"
                            "(null)|normal|alice|n1|/home/alice|chain\n");
  const JobAnswer answer = show_job(system_clock(), "4", one_try);
  REQUIRE(answer.jobs.size() == 1);
  CHECK(answer.jobs.front().state == JobState::running);
  CHECK(answer.jobs.front().array_id == "1");
  CHECK(answer.jobs.front().ends == 1795253304);
  CHECK(answer.jobs.front().account.empty());
  CHECK_FALSE(answer.jobs.front().restarts);
}

TEST_CASE("a silent controller is not asked by another command, and the reason is told") {
  FakeSlurm slurm;
  const JobAnswer answer = show_job(system_clock(), "4", one_try);
  CHECK(answer.kind == JobAnswer::Kind::silent);
  CHECK(answer.why == "scontrol failed (1): Unable to contact slurm controller (connect failure)");
  CHECK(slurm.calls().size() == 1);
}

TEST_CASE("unknown text is no answer") {
  FakeSlurm slurm;
  slurm.write("scontrol.out", "<html>maintenance</html>\n");
  slurm.write("squeue.out", "<html>maintenance</html>\n");
  const JobAnswer answer = show_job(system_clock(), "4", one_try);
  CHECK(answer.kind == JobAnswer::Kind::silent);
  CHECK(answer.why == "scontrol answered with unknown text");
}

TEST_CASE("what is no job number is never put on a command line") {
  FakeSlurm slurm;
  for (const char* id : {"", "--all", "4;reboot", "4_1", "-1"}) {
    CHECK(show_job(system_clock(), id, one_try).kind == JobAnswer::Kind::silent);
    CHECK(job_history(system_clock(), id, one_try).kind == JobAnswer::Kind::silent);
  }
  CHECK(slurm.calls().empty());
}
