// SPDX-License-Identifier: Apache-2.0
// What a decision means where blocks are jobs. Pure.
//
//   over (complete, stopped, failed, ended by a person)   cancel what of this chain still waits
//   superseded           nothing: the queue is the newer block's business
//   crashed, try again   here, if the time suffices and no device is to blame: another node may do better
//   goes on              by a waiting task; where none waits by an extension, or by a person, who is told the line
//
// A planned chain is extended when its last task begins, not when it ends: a block that is killed, or whose node dies,
// must not be the end of it. What turns out to be too much is cancelled with the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "chain/scheduler.hpp"
#include "chain/step.hpp"
#include "rundir/submissions.hpp"

namespace ckpt::supervisor {

struct JobFacts {
  QueueFacts queue;
  double seconds_left = engine::no_limit;    // of this job
  double one_start_seconds = 0;              // start-up, one step, its save: less is not worth a start
  std::uint64_t blocks_needed = 0;           // for the rest of the work; 0: not known
  std::uint64_t blocks_may_send = 0;         // 0: not this chain's to extend
  std::string extended_by;                   // the array that extends this one, as recorded; empty: none
};

enum class QueueStep { nothing, cancel_waiting, extend, tell_how_to_extend };

struct JobStep {
  bool again_here = false;
  QueueStep queue = QueueStep::nothing;
  std::uint64_t blocks = 0;                  // to extend by
};

JobStep next_in_job(const Decision& decision, CrashKind crash, const JobFacts& facts);
// When a block begins.
JobStep first_in_job(const JobFacts& facts);

// How long what is asked of the scheduler after a block may take in all: the last line has to be said before the job ends.
double seconds_for_questions(double seconds_left, StopCause asked) noexcept;

// The same array, or one that continues the other.
bool are_of_one_chain(const std::vector<rundir::Submission>& submissions, const std::string& one, const std::string& other);

// The array that extends `array_id`; empty: none is recorded.
std::string extension_of(const std::vector<rundir::Submission>& submissions, const std::string& array_id);

// How many blocks the chain of `array_id` may still send: twice the plan for all of it, what was sent already taken off;
// 0 for a chain that was not sent with a plan, and for a sweep.
std::uint64_t blocks_may_send(const std::vector<rundir::Submission>& submissions, const std::string& array_id);

}  // namespace ckpt::supervisor
