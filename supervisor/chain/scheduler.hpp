// SPDX-License-Identifier: Apache-2.0
// Who starts the blocks of a chain that are jobs, as the chain sees it. Where blocks follow one another inside this
// ckptrun there is none. Every call may take as long as the scheduler's patience allows (seconds, never minutes), none
// throws because the scheduler is silent: that is an answer.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/process_identity.hpp"
#include "block/end_source.hpp"
#include "rundir/blocks.hpp"

namespace ckpt::supervisor {

// How the job of a block ended that left no word itself.
enum class JobEnd { unknown, node_failed, preempted, requeued, cancelled, timeout, out_of_memory, failed, completed };
// "its node failed"; for people.
const char* describe(JobEnd end) noexcept;
// Through no fault of the program: it says nothing about whether going on makes sense.
bool is_blameless(JobEnd end) noexcept;

// The array this job is a task of, and what else of this chain is still to run.
struct QueueFacts {
  std::optional<bool> is_chain;        // one task at a time; false: a sweep, or a job of its own; nullopt: not said
  std::string array_id;                // the number to submit and to cancel by; the job's own without an array
  std::string task;                    // "5", or empty
  std::optional<std::size_t> waiting;  // tasks of this chain (of a sweep: of this trial) still to start, this one left
                                       // out; nullopt: the scheduler did not say
  std::string waits_in;                // the first array of which some wait, this one or one that extends it
  bool was_cut_short = false;          // nothing waits because a person has cancelled it, and not because all of it ran
  std::string begun{};                 // "task 6 of array 4711": runs beside us, and goes on when we have left the run
};

struct Extension {
  std::string array_id;                // empty: nothing was sent
  std::string why_not;                 // one line
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  virtual OwnerState owner_state(const rundir::Claim& claim, const ProcessIdentity& who) = 0;
  virtual JobEnd how_ended(const rundir::Claim& claim) = 0;
  virtual QueueFacts queue() = 0;
  // All questions and submissions together, from now on, last no longer than until then (monotonic seconds).
  virtual void limit_questions(double until) = 0;
  // Only tasks that have not started, of this chain or this trial, never a sibling's. Empty: done (or none was there);
  // else why not, with the line to type.
  virtual std::string cancel_waiting() = 0;
  // Sends `blocks` more of the same, as submissions/ describes this one.
  virtual Extension extend(std::size_t blocks) = 0;
  // Who was about to extend this array left no word: whether its extension was sent. If so it is recorded now. An empty
  // array_id without a why_not: it was not sent.
  virtual Extension find_extension() = 0;
  // "sbatch --array=1-3%1 train.sh": what a person types to go on with `blocks` more; with one more of a trial:
  // "sbatch --array=7 train.sh". Empty: this job has no script.
  virtual std::string line_to_extend(std::size_t blocks) = 0;
  virtual EndSource& end() = 0;
};

}  // namespace ckpt::supervisor
