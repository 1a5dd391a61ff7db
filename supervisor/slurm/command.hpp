// SPDX-License-Identifier: Apache-2.0
// One Slurm command, bounded in time and size. Slurm may be slow, silent, broken, missing or talkative: every caller is
// told which, in one line, and nobody waits for ever. No threads.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace ckpt::supervisor::slurm {

struct Command {
  std::vector<std::string> words;         // the first one is looked up in PATH
  std::vector<std::string> environment;   // "NAME=value", whole
  std::string directory = {};             // to run in; empty: here
};
// A command that asks or steers. Its text does not depend on the user's settings: times in UTC, which has no summer
// time, task lists in full, no formats from SQUEUE_FORMAT and the like. SLURM_CONF and SLURM_CLUSTERS stay.
Command question(std::vector<std::string> words);
// A submission, whose environment the new job inherits: without SBATCH_*, which would outrank its script (settings.hpp),
// and without this job's own SLURM_* where we are in one: a new block must not believe that it is a restart. SLURM_CONF
// stays.
Command submission(std::vector<std::string> words);

enum class Ending {
  succeeded,
  failed,      // any other exit code than 0, a signal, or more output than anybody would read
  timed_out,   // killed, with its process group
  missing,     // not in PATH; 127, as shells say it
};

struct Answer {
  Ending ending = Ending::missing;
  int exit_code = 0;                      // 128 + n after a signal
  double seconds = 0;                     // it took
  std::string output;                     // stdout
  std::string errors;                     // stderr

  bool ok() const noexcept { return ending == Ending::succeeded; }
};
// What stderr says, in one line, without "sbatch: error:" and what else is noise.
std::string error_line(const Answer& answer);
// For a person: "squeue gave no answer within 10 s", "sbatch is not in PATH", "scontrol failed (1): Invalid job id".
std::string describe(const Command& command, const Answer& answer);
// The controller was busy, restarting or out of reach: the same question may be answered a moment later.
bool is_transient(const Answer& answer);

// A command beside a running program. ckptrun's loop reaps every child itself, so it hands the exit over:
//   poll fd() too; for each reaped child: if (running.owns(pid)) running.note_exit(status);
//   then take(), also once a tick.
class RunningCommand {
 public:
  RunningCommand(Clock& clock, const Command& command, double timeout_seconds);   // what fails, take() tells
  ~RunningCommand();                      // kills it when it still runs
  RunningCommand(const RunningCommand&) = delete;

  int fd() const noexcept { return waiting_; }   // readable: take() has something to read; -1 when it did not start
  bool silent() const noexcept { return output_.fd < 0 && errors_.fd < 0; }   // all is read, only the exit is missing
  pid_t pid() const noexcept { return pid_; }
  bool owns(pid_t pid) const noexcept { return pid == pid_ && !ended_; }
  void note_exit(int wait_status) noexcept;
  double until() const noexcept { return until_; }   // monotonic seconds: take() then at the latest
  // The answer as soon as it is complete; kills the command when its time is over.
  std::optional<Answer> take();

 private:
  struct Stream {
    int fd = -1;
    std::string text;
    bool overflowed = false;
  };
  bool start(const Command& command);     // false: errno
  bool fork_and_exec(const Command& command, int output, int errors);
  int open_stream(Stream& stream);
  void read_all(Stream& stream, std::size_t size_limit_bytes);
  void kill_and_reap() noexcept;
  Answer conclude(Ending ending);

  Clock& clock_;
  double started_, until_;
  int waiting_ = -1;                      // an epoll descriptor over both streams
  Stream output_, errors_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int wait_status_ = 0;
};

// How often a command is tried, and the pauses between, which double. Only what is transient is tried again.
struct Attempts {
  unsigned count = 3;
  double timeout_seconds = 10;            // of each
  double first_pause_seconds = 1;
  double longest_pause_seconds = 30;
  double until = std::numeric_limits<double>::infinity();   // monotonic seconds: the sum of all of it ends then
};
constexpr double answer_seconds = 10;   // of patience with a question that will be asked again anyway
constexpr Attempts once(double timeout_seconds) { return {.count = 1, .timeout_seconds = timeout_seconds}; }

// Runs it and waits; where no time is left it is not even started, and counts as one without an answer. Only where no program runs: it reaps its own child.
Answer run(Clock& clock, const Command& command, const Attempts& attempts = {});

}  // namespace ckpt::supervisor::slurm
