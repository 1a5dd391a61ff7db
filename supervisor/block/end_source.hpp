// SPDX-License-Identifier: Apache-2.0
// When this block will be killed, by whoever will do that; it may move while the block runs: a limit changed, a
// preemption's grace. Nothing here waits: questions run in the background of the block's poll loop.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace ckpt::supervisor {

class EndSource {
 public:
  virtual ~EndSource() = default;

  // What is known at the start: monotonic seconds, infinity without a limit. May take as long as one question.
  virtual double first_end() = 0;
  // From the job's start to its end as it was then: what a block of this chain has, however late ckptrun came to run.
  virtual double whole_seconds() const = 0;

  virtual double known_end() const = 0;                   // the newest; infinity before first_end()
  virtual void add_to(std::vector<pollfd>& polled) const = 0;
  virtual double next_look() const = 0;                   // monotonic seconds: call look() then at the latest
  virtual std::optional<double> look() = 0;               // the new end, once, when it has moved
  virtual void ask_soon() = 0;                            // something happened that may have moved it: a signal
  // What the scheduler does to this job before its time: "preempted"; empty: nothing that it tells of; nullopt: it was
  // not answered yet since ask_soon().
  virtual std::optional<std::string> why_ended() const { return std::string(); }
  virtual double known_as_of() const = 0;                 // monotonic seconds of the newest question with an answer
  virtual void note_exit(pid_t pid, int wait_status) = 0; // a child of this process that is not the program was reaped
};

}  // namespace ckpt::supervisor
