// SPDX-License-Identifier: Apache-2.0
#include "slurm/command.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/process_identity.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;

namespace {

// Pauses are noted, not slept.
class ImpatientClock : public Clock {
 public:
  double monotonic_seconds() override { return system_clock().monotonic_seconds(); }
  double wall_seconds() override { return system_clock().wall_seconds(); }
  void sleep_seconds(double seconds) override { pauses.push_back(seconds); }
  std::vector<double> pauses;
};

Answer ask(std::vector<std::string> words, const Attempts& attempts = once(30)) {
  ImpatientClock clock;
  return run(clock, question(std::move(words)), attempts);
}

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }
// One that was killed still dies for a while on a machine that has other things to do; an orphan's zombie is init's affair.
bool goes_on(pid_t pid) {
  for (int looks = 0; looks < 1000 && identify_process(pid).start_ticks != 0; ++looks) ::usleep(10'000);
  return identify_process(pid).start_ticks != 0;
}

// As ckptrun's loop does: everything is reaped by waitpid(-1), and whose exit it was is told afterwards.
Answer run_in_loop(RunningCommand& running) {
  for (;;) {
    if (auto answer = running.take()) return *answer;
    pollfd polled{running.fd(), POLLIN, 0};
    ::poll(&polled, 1, 10);
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (running.owns(pid)) running.note_exit(status);
  }
}

}  // namespace

TEST_CASE("a command's output and errors are told apart") {
  FakeSlurm slurm;
  slurm.write("squeue.out", "4|RUNNING\n");
  slurm.write("squeue.err", "squeue: warning: something is odd\n");
  const Answer answer = ask({"squeue", "-h"});
  CHECK(answer.ok());
  CHECK(answer.output == "4|RUNNING\n");
  CHECK(answer.errors == "squeue: warning: something is odd\n");
  CHECK(slurm.calls() == std::vector<std::string>{"squeue -h"});
}

TEST_CASE("a command that is not in PATH is missing, and is not tried again") {
  FakeSlurm slurm({"squeue"});
  ImpatientClock clock;
  const Command command = question({"scontrol", "ping"});
  const Answer answer = run(clock, command);
  CHECK(answer.ending == Ending::missing);
  CHECK(describe(command, answer) == "scontrol is not in PATH");
  CHECK(clock.pauses.empty());
}

TEST_CASE("a failed command says why in one line") {
  FakeSlurm slurm;
  slurm.write("sbatch.err", "sbatch: error: Memory specification can not be satisfied\n"
                            "sbatch: error: Batch job submission failed: Requested node configuration is not "
                            "available\n");
  slurm.write("sbatch.code", "1");
  const Command command = question({"sbatch", "job.sh"});
  ImpatientClock clock;
  const Answer answer = run(clock, command);
  CHECK(answer.ending == Ending::failed);
  CHECK(answer.exit_code == 1);
  CHECK(describe(command, answer) == "sbatch failed (1): Memory specification can not be satisfied; "
                                     "Batch job submission failed: Requested node configuration is not available");
  CHECK(clock.pauses.empty());
}

TEST_CASE("an error that is text for terminals becomes plain text of bounded length") {
  Answer answer;
  answer.errors = "squeue: error: \x1b[31mred\r\n" + std::string(100000, 'x');
  const std::string line = error_line(answer);
  CHECK(line.size() <= 400);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.starts_with(" [31mred"));
}

TEST_CASE("a hanging command is killed with its whole group when its time is over") {
  FakeSlurm slurm;
  slurm.write("squeue.run", "sleep 1000 & echo $! $$; wait\n");
  const Command command = question({"squeue"});
  const Answer answer = run(system_clock(), command, once(1));
  CHECK(answer.ending == Ending::timed_out);
  CHECK(describe(command, answer) == "squeue gave no answer within 1.0 s");
  pid_t sleeper = 0, shell = 0;
  REQUIRE(std::sscanf(answer.output.c_str(), "%d %d", &sleeper, &shell) == 2);
  CHECK_FALSE(exists(shell));
  CHECK_FALSE(goes_on(sleeper));
}

TEST_CASE("a command whose background process keeps its output open is over when it has ended") {
  FakeSlurm slurm;
  slurm.write("squeue.run", "sleep 1000 & echo $!\n");
  const Answer answer = ask({"squeue"});
  CHECK(answer.ok());
  CHECK(::kill(std::stoi(answer.output), SIGKILL) == 0);
}

TEST_CASE("a command that does not stop talking is ended") {
  FakeSlurm slurm;
  slurm.write("squeue.run", "exec yes\n");
  const Answer answer = ask({"squeue"});
  CHECK(answer.ending == Ending::failed);
  CHECK(error_line(answer) == "it does not stop talking");
  CHECK(answer.output.empty());
}

TEST_CASE("while the controller is silent a command is tried again with growing pauses") {
  FakeSlurm slurm;
  slurm.write("squeue.out", "fine\n");
  slurm.write("squeue.fail", "3");
  ImpatientClock clock;
  const Attempts attempts{.count = 5, .timeout_seconds = 30, .first_pause_seconds = 2, .longest_pause_seconds = 5};
  CHECK(run(clock, question({"squeue"}), attempts).output == "fine\n");
  CHECK(clock.pauses == std::vector<double>{2, 4, 5});
  CHECK(slurm.calls().size() == 4);
}

TEST_CASE("a command is tried only so often") {
  FakeSlurm slurm;
  ImpatientClock clock;
  const Answer answer = run(clock, question({"squeue"}), {.count = 3});
  CHECK(answer.ending == Ending::failed);
  CHECK(error_line(answer) == "Unable to contact slurm controller (connect failure)");
  CHECK(slurm.calls().size() == 3);
}

TEST_CASE("a clear answer is not asked for again") {
  FakeSlurm slurm;
  slurm.write("scontrol.err", "slurm_load_jobs error: Invalid job id specified\n");
  slurm.write("scontrol.code", "1");
  CHECK(error_line(ask({"scontrol", "show", "job", "99999"}, {.count = 3})) == "Invalid job id specified");
  CHECK(slurm.calls().size() == 1);
}

TEST_CASE("a question is answered in UTC and in Slurm's own formats, whatever the user has set") {
  FakeSlurm slurm;
  slurm.write("squeue.out", "");
  slurm.change("SQUEUE_FORMAT", "%i");
  slurm.change("SLURM_TIME_FORMAT", "relative");
  slurm.change("SLURM_CONF", "/etc/slurm/slurm.conf");
  slurm.change("TZ", "Europe/Berlin");
  ask({"squeue"});
  CHECK_FALSE(slurm.passed_on("squeue", "SQUEUE_FORMAT"));
  CHECK(slurm.passed_on("squeue", "SLURM_TIME_FORMAT=standard\n"));
  CHECK(slurm.passed_on("squeue", "TZ=UTC0\n"));
  CHECK(slurm.passed_on("squeue", "SLURM_CONF=/etc/slurm/slurm.conf\n"));
}

TEST_CASE("a submission from inside a job leaves that job's variables behind") {
  FakeSlurm slurm;
  slurm.write("sbatch.out", "8\n");
  slurm.change("SBATCH_ACCOUNT", "physics");
  slurm.change("SLURM_CONF", "/etc/slurm/slurm.conf");
  slurm.change("SLURM_RESTART_COUNT", "2");
  SECTION("in a job") {
    slurm.change("SLURM_JOB_ID", "7");
    run(system_clock(), submission({"sbatch", "job.sh"}), once(30));
    CHECK_FALSE(slurm.passed_on("sbatch", "SLURM_JOB_ID"));
    CHECK_FALSE(slurm.passed_on("sbatch", "SLURM_RESTART_COUNT"));
    CHECK_FALSE(slurm.passed_on("sbatch", "SBATCH_ACCOUNT"));
  }
  SECTION("elsewhere no setting of the user's outranks what is sent") {
    run(system_clock(), submission({"sbatch", "job.sh"}), once(30));
    CHECK_FALSE(slurm.passed_on("sbatch", "SBATCH_ACCOUNT"));
    CHECK(slurm.passed_on("sbatch", "SLURM_RESTART_COUNT=2\n"));
  }
  CHECK(slurm.passed_on("sbatch", "SLURM_CONF=/etc/slurm/slurm.conf\n"));
}

TEST_CASE("a command in the background is complete when its exit was noted") {
  FakeSlurm slurm;
  slurm.write("squeue.out", "4|RUNNING\n");
  slurm.write("squeue.code", "3");
  RunningCommand running(system_clock(), question({"squeue"}), 30);
  CHECK(running.owns(running.pid()));
  const Answer answer = run_in_loop(running);
  CHECK(answer.ending == Ending::failed);
  CHECK(answer.exit_code == 3);
  CHECK(answer.output == "4|RUNNING\n");
  CHECK_FALSE(running.owns(running.pid()));
}

TEST_CASE("a hanging command in the background is killed by its own time-out") {
  FakeSlurm slurm;
  slurm.write("squeue.sleep", "infinity");
  RunningCommand running(system_clock(), question({"squeue"}), 0.1);
  CHECK(run_in_loop(running).ending == Ending::timed_out);
  CHECK_FALSE(exists(running.pid()));
}

TEST_CASE("a command that is no longer wanted leaves no process behind") {
  FakeSlurm slurm;
  slurm.write("squeue.sleep", "infinity");
  pid_t pid = 0;
  {
    const RunningCommand running(system_clock(), question({"squeue"}), 30);
    pid = running.pid();
  }
  CHECK_FALSE(exists(pid));
}

TEST_CASE("a command's signals are as in a shell, whatever ckptrun blocks or ignores") {
  FakeSlurm slurm;
  slurm.write("squeue.run", "grep -E '^Sig(Blk|Ign)' /proc/self/status\n");
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const auto former = signal(SIGPIPE, SIG_IGN);
  const std::string output = ask({"squeue"}).output;
  signal(SIGPIPE, former);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK(output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}
