// SPDX-License-Identifier: Apache-2.0
#include "slurm/scheduler.hpp"

#include <catch2/catch.hpp>

#include "io/file_system.hpp"
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

// Task 1 of array 8, in a run or in trial 1 of a sweep.
struct InJob {
  explicit InJob(const std::string& array_id = "8", const std::string& task = "1", const std::string& last = "",
                 std::uint64_t restarts = 0) : scheduler(fs, system_clock(), [&] {
    JobEnvironment job;
    job.id = "9";
    job.array_id = array_id;
    job.array_task = task;
    job.array_last = last;
    job.restart_count = restarts;
    job.cluster = "sandbox";
    return job;
  }()) {
    std::filesystem::create_directories(run);
    scheduler.set_run_directory(run);
    slurm.write("scancel.out", "");
  }

  void array(const std::string& id, const std::string& records) {
    slurm.write("scontrol-show-job-" + id + ".out", records);
  }
  void write(const std::string& directory, const rundir::Submission& submission) {
    rundir::write_submission(fs, directory, submission, {});
  }
  void chain_submission(const std::string& id, const std::string& extends) {
    rundir::Submission submission;
    submission.array_id = id;
    submission.extends = extends;
    submission.blocks = submission.planned_blocks = 3;
    submission.script = "/run/job.sh";
    submission.options = {"--time=0-01:00:00", "--signal=B:USR1@60"};
    submission.arguments = {"--lr", "0.1"};
    submission.working_directory = folder.path();
    submission.submitted = std::stod(id);
    write(run, submission);
  }
  std::vector<rundir::Submission> submissions() { return rundir::read_submissions(fs, run); }
  std::string last_call(const std::string& command) const {
    std::string last;
    for (const std::string& call : slurm.calls())
      if (call.starts_with(command)) last = call;
    return last;
  }

  FakeSlurm slurm;
  TemporaryDirectory folder;
  std::string run = folder / "sweep/1";
  io::FileSystem& fs = io::posix_file_system();
  SlurmScheduler scheduler;
};

std::string record(const std::string& id, const std::string& array, const std::string& tasks, const std::string& rest) {
  return "JobId=" + id + " ArrayJobId=" + array + " ArrayTaskId=" + tasks + " " + rest + "\n";
}
const std::string running = "ArrayTaskThrottle=1 JobState=RUNNING Restarts=0 Command=/home/alice/job.sh --lr 0.1 "
                            "WorkDir=/home/alice";
const std::string waiting = "ArrayTaskThrottle=1 JobState=PENDING Restarts=0";

}  // namespace

TEST_CASE("a chain's waiting tasks are counted, whatever records they are in") {
  InJob job;
  job.array("8", record("9", "8", "1", running) + record("8", "8", "3-6%1", waiting) +
                     record("10", "8", "2", "ArrayTaskThrottle=1 JobState=PENDING Restarts=1") +
                     record("11", "8", "7", "ArrayTaskThrottle=1 JobState=COMPLETED Restarts=0"));
  const QueueFacts facts = job.scheduler.queue();
  CHECK(facts.is_chain == true);
  CHECK(facts.array_id == "8");
  CHECK(facts.task == "1");
  CHECK(facts.waiting == 5);
}

TEST_CASE("a task that has begun while our job is ending goes on, and nobody is told to send another one") {
  InJob job;
  job.array("8", record("9", "8", "1", "ArrayTaskThrottle=1 JobState=COMPLETING Restarts=0") + record("8", "8", "2", running));
  const QueueFacts facts = job.scheduler.queue();
  CHECK(facts.waiting == 0);
  CHECK(facts.begun == "task 2 of array 8");
  job.array("8", record("9", "8", "1", running) + record("8", "8", "2", "ArrayTaskThrottle=1 JobState=COMPLETING Restarts=0"));
  CHECK(job.scheduler.queue().begun.empty());
}

TEST_CASE("where nothing waits behind a task that is not the last one, a person has cancelled it") {
  for (const auto& [task, last, restarts, cut_short] :
       {std::tuple{"1", "3", 0u, true}, {"3", "3", 0u, false}, {"1", "3", 1u, false}, {"1", "", 0u, false}}) {
    InJob job("8", task, last, restarts);
    job.array("8", record("9", "8", task, running));
    CHECK(job.scheduler.queue().was_cut_short == cut_short);
  }
}

TEST_CASE("tasks that were cancelled do not wait") {
  InJob job("1");
  job.slurm.answer_recorded("scontrol-show-job-1", recorded("scontrol-show-job-o-array-after-scancel"));
  CHECK(job.scheduler.queue().waiting == 0);
}

TEST_CASE("a task that is being requeued counts as waiting while it still ends") {
  InJob job;
  job.array("8", record("9", "8", "1", "ArrayTaskThrottle=1 JobState=COMPLETING Restarts=1") +
                     record("10", "8", "2", "ArrayTaskThrottle=1 JobState=COMPLETING Restarts=1"));
  CHECK(job.scheduler.queue().waiting == 1);
  job.array("8", record("9", "8", "1", "ArrayTaskThrottle=1 JobState=COMPLETING Restarts=0"));
  CHECK(job.scheduler.queue().waiting == 0);
}

TEST_CASE("an array that extends this one belongs to the chain") {
  InJob job;
  job.chain_submission("8", "");
  job.chain_submission("20", "8");
  job.chain_submission("30", "20");
  job.chain_submission("40", "");        // somebody else's chain of this run
  job.array("8", record("9", "8", "1", running));
  job.array("20", record("20", "20", "1-2%1", waiting));
  job.array("30", record("30", "30", "1%1", waiting));
  CHECK(job.scheduler.queue().waiting == 3);
  SECTION("one of which nothing is known makes the number unknown") {
    job.slurm.write("scontrol-show-job-30.err", "scontrol: error: nobody knows why\n");
    job.slurm.write("scontrol-show-job-30.code", "1");
    job.slurm.write("squeue.err", "squeue: error: nobody knows why\n");
    job.slurm.remove("scontrol-show-job-30.out");
    job.slurm.write("squeue.code", "1");
    CHECK_FALSE(job.scheduler.queue().waiting);
  }
}

TEST_CASE("without a throttle of one an array is a sweep, whose tasks are not ours to count") {
  InJob job;
  job.array("8", record("9", "8", "1", "JobState=RUNNING Restarts=0") +
                     record("8", "8", "2-6", "JobState=PENDING Restarts=0"));
  const QueueFacts facts = job.scheduler.queue();
  CHECK(facts.is_chain == false);
  CHECK(facts.waiting == 0);
  CHECK(job.scheduler.cancel_waiting().empty());
  CHECK(job.last_call("scancel").empty());
}

TEST_CASE("what was submitted as a chain stays one when its throttle is changed, and so does a sweep") {
  InJob job;
  SECTION("a chain, two at a time") {
    job.chain_submission("8", "");
    job.array("8", record("9", "8", "1", "ArrayTaskThrottle=2 JobState=RUNNING Restarts=0"));
    CHECK(job.scheduler.queue().is_chain == true);
  }
  SECTION("a sweep, one at a time") {
    rundir::Submission sweep;
    sweep.array_id = "8";
    sweep.sweep_arrays = {"8"};
    job.write(job.folder / "sweep", sweep);
    job.array("8", record("9", "8", "1", running));
    CHECK(job.scheduler.queue().is_chain == false);
  }
}

TEST_CASE("a job without an array is no chain") {
  InJob job("", "");
  job.array("9", "JobId=9 JobState=RUNNING Restarts=0 Command=/home/alice/job.sh\n");
  const QueueFacts facts = job.scheduler.queue();
  CHECK(facts.is_chain == false);
  CHECK(facts.array_id == "9");
  CHECK(facts.waiting == 0);
  CHECK(job.scheduler.line_to_extend(2) == "sbatch --array=1-2%1 /home/alice/job.sh");
}

TEST_CASE("a job of its own or a trial that is being requeued goes on by itself, and does not cancel that") {
  const std::string requeued = "JobState=COMPLETING Restarts=1 Command=/home/alice/job.sh";
  SECTION("a job") {
    InJob job("", "");
    job.array("9", "JobId=9 " + requeued + "\n");
    CHECK(job.scheduler.queue().waiting == 1);
    CHECK(job.scheduler.cancel_waiting().empty());
    CHECK(job.last_call("scancel").empty());
  }
  SECTION("a trial") {
    InJob job;
    job.array("8", record("9", "8", "1", requeued) + record("8", "8", "2-6", "JobState=PENDING Restarts=0"));
    CHECK(job.scheduler.queue().waiting == 1);
    CHECK(job.scheduler.cancel_waiting().empty());
    CHECK(job.last_call("scancel").empty());
  }
}

TEST_CASE("for a job without a script there is no line that sends it again") {
  InJob job("", "");
  job.array("9", "JobId=9 JobState=RUNNING Restarts=0 BatchFlag=0 Command=(null)\n");
  job.scheduler.queue();
  CHECK(job.scheduler.line_to_extend(2).empty());
}

TEST_CASE("while Slurm is silent nobody guesses whether an array is a chain") {
  InJob job;
  job.slurm.write("scontrol.err", "scontrol: error: nobody knows why\n");
  job.slurm.write("scontrol.code", "1");
  job.slurm.write("squeue.code", "1");
  job.slurm.write("squeue.err", "squeue: error: nobody knows why\n");
  CHECK_FALSE(job.scheduler.queue().is_chain);
  CHECK_FALSE(job.scheduler.queue().waiting);
  CHECK(job.scheduler.cancel_waiting() == "array 8: Slurm does not say now what waits; look: squeue --me");
  CHECK(job.last_call("scancel").empty());
  SECTION("unless ckptplan has sent it") {
    job.chain_submission("8", "");
    CHECK(job.scheduler.queue().is_chain == true);
    CHECK_FALSE(job.scheduler.queue().waiting);
  }
}

TEST_CASE("only what waits of this chain is cancelled") {
  InJob job;
  job.chain_submission("8", "");
  job.chain_submission("20", "8");
  job.chain_submission("30", "8");
  job.array("8", record("9", "8", "1", running) + record("8", "8", "2-6%1", waiting));
  job.array("20", record("20", "20", "1-2%1", waiting));
  job.array("30", record("30", "30", "1", running));
  job.slurm.write("scancel.run", "sed -i s/PENDING/CANCELLED/ scontrol-show-job-8.out scontrol-show-job-20.out\n");
  CHECK(job.scheduler.cancel_waiting().empty());
  CHECK(job.last_call("scancel") == "scancel --state=PENDING 8 20");
}

TEST_CASE("of a sweep only this trial's later blocks are cancelled, each by its task") {
  InJob job;
  rundir::Submission sweep;
  sweep.array_id = "8";
  sweep.sweep_arrays = {"8", "20", "30"};
  job.write(job.folder / "sweep", sweep);
  const std::string alone = "JobState=PENDING Restarts=0";
  job.array("8", record("9", "8", "1", "JobState=RUNNING Restarts=0") + record("8", "8", "2-6", alone));
  job.array("20", record("20", "20", "1-6", alone));
  job.array("30", record("30", "30", "2-6", alone));
  CHECK(job.scheduler.queue().waiting == 1);
  job.slurm.write("scancel.run", "sed -i s/1-6/2-6/ scontrol-show-job-20.out\n");
  CHECK(job.scheduler.cancel_waiting().empty());
  CHECK(job.last_call("scancel") == "scancel 20_1");
}

TEST_CASE("a trial goes on under its own number, and its siblings are left alone") {
  InJob job("8", "3");
  rundir::Submission sweep;
  sweep.array_id = "8";
  sweep.sweep_arrays = {"8", "20"};
  sweep.script = "/run/job.sh";
  sweep.options = {"--time=0-01:00:00"};
  job.write(job.folder / "sweep", sweep);
  job.array("8", record("9", "8", "3", "JobState=FAILED Restarts=0"));
  job.array("20", record("22", "20", "3", "JobState=CANCELLED Reason=DependencyNeverSatisfied"));
  CHECK(job.scheduler.queue().waiting == 0);
  CHECK(job.scheduler.line_to_extend(2) == "sbatch --array=3 --time=0-01:00:00 /run/job.sh");
}

TEST_CASE("what could not be cancelled is told with the line to type") {
  InJob job;
  job.array("8", record("9", "8", "1", running) + record("8", "8", "2-6%1", waiting));
  SECTION("refused") {
    job.slurm.write("scancel.err", "scancel: error: Kill job error on job id 8: Access/permission denied\n");
    job.slurm.write("scancel.code", "1");
    CHECK(job.scheduler.cancel_waiting() ==
          "what waits could not be cancelled (scancel failed (1): Kill job error on job id 8: Access/permission denied)"
          "; type: scancel --state=PENDING 8");
  }
  SECTION("said to be done, and was not") {
    CHECK(job.scheduler.cancel_waiting() ==
          "what waits could not be cancelled (some of it still waits); type: scancel --state=PENDING 8");
  }
}

TEST_CASE("a chain is extended by more of the same, which wait for this block, and are recorded") {
  InJob job;
  job.chain_submission("8", "");
  job.slurm.write("sbatch.out", "50\n");
  const Extension extension = job.scheduler.extend(2);
  CHECK(extension.array_id == "50");
  CHECK(job.last_call("sbatch") == "sbatch --parsable --array=1-2%1 --time=0-01:00:00 --signal=B:USR1@60 "
                                   "--comment=ckpt-extends:8 --dependency=afterany:8_1 /run/job.sh --lr 0.1");
  REQUIRE(job.submissions().size() == 2);
  const rundir::Submission sent = job.submissions().back();
  CHECK(sent.array_id == "50");
  CHECK(sent.extends == "8");
  CHECK(sent.blocks == 2);
  CHECK(sent.planned_blocks == 3);
  CHECK(sent.script == "/run/job.sh");
  CHECK(job.slurm.passed_on("sbatch", "PWD=" + job.folder.path() + "\n"));
}

TEST_CASE("a chain that nobody planned is not extended") {
  InJob job;
  job.array("8", record("9", "8", "1", running));
  job.scheduler.queue();
  CHECK(job.scheduler.extend(2).why_not == "array 8 was not sent by ckptplan");
  CHECK(job.scheduler.line_to_extend(2) == "sbatch --array=1-2%1 --chdir=/home/alice /home/alice/job.sh --lr 0.1");
  CHECK(job.last_call("sbatch").empty());
}

TEST_CASE("the line that goes on makes the same job of the script, whatever was said on the command line") {
  InJob job;
  job.array("8", record("9", "8", "1", "JobName=fashion two UserId=alice(1) " + running +
                                           "/my runs Partition=low Account=chem QOS=long TimeLimit=1-00:30:00"));
  job.scheduler.queue();
  CHECK(job.scheduler.line_to_extend(2) ==
        "sbatch --array=1-2%1 --account=chem --partition=low --qos=long '--job-name=fashion two' --time=1-00:30:00 "
        "'--chdir=/home/alice/my runs' /home/alice/job.sh --lr 0.1");
}

TEST_CASE("the line that goes on has our own limit, whatever became of an earlier task's") {
  InJob job;
  job.array("8", record("9", "8", "1", running + " TimeLimit=00:06:00") + record("10", "8", "2", running + " TimeLimit=00:03:00"));
  job.scheduler.queue();
  CHECK(job.scheduler.line_to_extend(2) ==
        "sbatch --array=1-2%1 --time=0-00:06:00 --chdir=/home/alice /home/alice/job.sh --lr 0.1");
}

TEST_CASE("a limit that was changed meanwhile is not handed on") {
  InJob job;
  const std::string began = running + " StartTime=2026-11-28T10:00:00 EndTime=2026-11-28T10:06:00 TimeLimit=00:06:00";
  job.array("9", record("9", "8", "1", began));
  job.scheduler.end().first_end();
  job.array("8", record("9", "8", "1", running + " StartTime=2026-11-28T10:00:00 EndTime=2026-11-28T10:02:00 TimeLimit=00:02:00"));
  job.scheduler.queue();
  CHECK(job.scheduler.line_to_extend(2) ==
        "sbatch --array=1-2%1 --time=0-00:06:00 --chdir=/home/alice /home/alice/job.sh --lr 0.1");
}

TEST_CASE("a job without a limit is sent again without one") {
  InJob job;
  job.array("8", record("9", "8", "1", running + " TimeLimit=UNLIMITED"));
  job.scheduler.queue();
  CHECK(job.scheduler.line_to_extend(2) == "sbatch --array=1-2%1 --chdir=/home/alice /home/alice/job.sh --lr 0.1");
}

TEST_CASE("a submission whose answer was lost is found by its comment, and not sent again") {
  InJob job;
  job.chain_submission("8", "");
  job.slurm.write("sbatch.out", "nonsense\n");
  job.slurm.write("squeue.out", "49|(null)\n51|ckpt-extends:81\n52|a | b ckpt-extends:8\n52|a | b ckpt-extends:8\n");
  CHECK(job.scheduler.extend(2).array_id == "52");
  CHECK(job.submissions().back().array_id == "52");
  CHECK(job.submissions().back().extends == "8");
  CHECK(job.submissions().back().blocks == 2);
}

TEST_CASE("whether an extension was sent by a block that died is found out, or said to be unknown") {
  InJob job;
  job.chain_submission("8", "");
  SECTION("it was not") {
    job.slurm.write("squeue.out", "49|(null)\n");
    const Extension found = job.scheduler.find_extension();
    CHECK(found.array_id.empty());
    CHECK(found.why_not.empty());
  }
  SECTION("Slurm does not say") {
    job.slurm.write("squeue.err", "squeue: error: nobody knows why\n");
    job.slurm.write("squeue.code", "1");
    CHECK(job.scheduler.find_extension().why_not == "squeue failed (1): nobody knows why");
  }
}

TEST_CASE("the comment of a job stays in what extends it, and names the array that it extends") {
  InJob job;
  job.chain_submission("8", "");
  job.slurm.write("sbatch.out", "50\n");
  job.array("8", record("9", "8", "1", running + " Comment=project 7 ckpt-extends:4  StdErr=/tmp/a"));
  job.scheduler.queue();
  job.scheduler.extend(2);
  CHECK(job.last_call("sbatch").find(" --comment=project 7 ckpt-extends:8 --dep") != std::string::npos);
}

TEST_CASE("an array whose sender died before it could record it records itself") {
  InJob job("20", "1");
  job.chain_submission("8", "");
  job.array("20", record("21", "20", "1", running + " Comment=ckpt-extends:8 StdErr=/tmp/a") + record("20", "20", "2-3%1", waiting));
  job.array("8", record("9", "8", "1", "JobState=COMPLETED"));
  CHECK(job.scheduler.queue().waiting == 2);
  REQUIRE(job.submissions().size() == 2);
  CHECK(job.submissions().back().array_id == "20");
  CHECK(job.submissions().back().extends == "8");
  CHECK(job.submissions().back().blocks == 3);
}

TEST_CASE("somebody who only looks records nothing") {
  InJob job("20", "1");
  job.chain_submission("8", "");
  job.scheduler.only_look();
  job.array("20", record("21", "20", "1", running + " Comment=ckpt-extends:8 StdErr=/tmp/a"));
  job.scheduler.queue();
  CHECK(job.submissions().size() == 1);
}

TEST_CASE("a task that can never start does not wait") {
  InJob job;
  job.array("8", record("9", "8", "1", running) + record("8", "8", "2-6%1", waiting + " Reason=DependencyNeverSatisfied"));
  CHECK(job.scheduler.queue().waiting == 0);
}

TEST_CASE("all questions together end when they have to") {
  InJob job;
  job.slurm.write("scontrol.sleep", "infinity");
  job.slurm.write("squeue.sleep", "infinity");
  job.slurm.write("scancel.sleep", "infinity");
  const double begun = system_clock().monotonic_seconds();
  job.scheduler.limit_questions(begun + 0.2);
  CHECK_FALSE(job.scheduler.queue().waiting);
  CHECK_FALSE(job.scheduler.cancel_waiting().empty());
  CHECK(system_clock().monotonic_seconds() - begun < 9);   // one single answer is waited for ten seconds
  CHECK(job.slurm.calls().size() == 1);
}

TEST_CASE("an extension that was refused says why, and leaves no record") {
  InJob job;
  job.chain_submission("8", "");
  job.slurm.write("sbatch.err", "sbatch: error: Access/permission denied\n");
  job.slurm.write("sbatch.code", "1");
  job.slurm.write("squeue.out", "");
  const Extension extension = job.scheduler.extend(2);
  CHECK(extension.array_id.empty());
  CHECK(extension.why_not == "sbatch failed (1): Access/permission denied; submit on a login node");
  CHECK(job.submissions().size() == 1);
  CHECK(job.scheduler.line_to_extend(2) ==
        "cd " + job.folder.path() +
            " && sbatch --array=1-2%1 --time=0-01:00:00 --signal=B:USR1@60 /run/job.sh --lr 0.1");
}
