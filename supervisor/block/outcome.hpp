// SPDX-License-Identifier: Apache-2.0
// How a block ended. Pure: what was recorded outranks what was seen, since shells and launchers destroy exit codes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "block/crash_cause.hpp"
#include "checkpoints/version.hpp"
#include "engine/policy.hpp"
#include "rundir/blocks.hpp"
#include "rundir/layout.hpp"
#include "staging/station.hpp"

namespace ckpt::supervisor {

constexpr int exit_to_be_continued = 85;

// Who asked the program to stop. A later one in this order outranks an earlier one.
enum class StopCause {
  nobody,
  deadline,
  job,         // a signal to ckptrun inside a job: the job ends early, or its warning came; the chain goes on
  user,        // ckpt stop, or a signal where there is no job: the chain ends
  superseded,
};
const char* name(StopCause cause) noexcept;
std::optional<StopCause> parse_stop_cause(std::string_view name) noexcept;

struct Seen {
  bool linked = false;                               // the run links libckpt, now or ever before
  std::optional<rundir::BlockEnd> recorded;          // the end record, when the program wrote one
  std::optional<staging::OutcomeNotice> told;        // the same by way of the station (the disk may be full)
  std::optional<int> exit_code;
  std::optional<int> signal;
  StopCause asked = StopCause::nobody;
  bool killed = false;                               // by ckptrun, because time was up or somebody said: now
  bool killed_at_once = false;                       // the latter
  std::optional<bool> done;                          // --done-when's answer, where it was asked: after exit code 0
  bool keeps_own = false;                            // ckptrun knows where the program keeps its own checkpoints
  std::string newer_checkpoint;                      // whole, and newer than what it went on from: for people; empty: none
};

struct Verdict {
  rundir::Outcome outcome = rundir::Outcome::crashed;
  std::string reason;                                // one line for people
};

Verdict judge(const Seen& seen);

struct Progress {
  double done = 0, total = 0;                        // total 0: unknown
  std::string unit;
};

// One block, after its end.
struct BlockResult {
  std::uint64_t block = 0;
  bool linked = false;
  std::optional<rundir::SnapshotId> resumed_from;
  std::optional<rundir::SnapshotId> newest;          // durable when it ended
  rundir::Outcome outcome = rundir::Outcome::crashed;
  std::string reason;
  std::optional<int> exit_code;
  std::optional<int> signal;
  StopCause asked = StopCause::nobody;
  bool reached_point = false;                        // the program passed a safe point
  bool started = true;                               // false: exec failed; exit_code says 126 or 127
  double seconds = 0;                                // it ran
  double whole_seconds = engine::no_limit;           // it had
  bool end_moved_nearer = false;                     // while it ran: preempted, or its limit lowered
  double start_up_seconds = 0;                       // until the program was first heard of at a safe point
  engine::Costs costs;                               // measured in this block, 0 where unknown
  CrashKind crash = CrashKind::program;
  std::optional<std::uint64_t> last_step;            // that the program was heard of at, a moment before its end
  std::optional<Progress> began, reached;            // of the whole work, as the program told
  bool keeps_own = false;                            // checkpoints of the program's own making, in these two:
  std::optional<checkpoints::Version> own_from, own_newest;
  bool own_began_again = false;                      // what it wrote has lower numbers than own_from
  bool own_matched = true;                           // anything was there that their pattern names
  double stop_seconds = 0;                           // from its stop signal to its end; 0: it was sent none
  bool stop_cut_off = false;                         // it handles that signal, and was killed before it had ended
};

// The same step saved again by a newer block is no newer state: a program that saves as soon as it has restored, and then
// fails, would go round for ever.
bool is_newer_state(const std::optional<rundir::SnapshotId>& now, const std::optional<rundir::SnapshotId>& before) noexcept;
// Of what two blocks ended with.
bool is_newer_state(const BlockResult& now, const BlockResult& before) noexcept;

// A newer state than the one it resumed from; for a program without libckpt whose checkpoints nobody knows its word (85) is
// all there is.
bool made_progress(const BlockResult& result) noexcept;

// Ended from outside well before its time (preempted, cancelled, drained): it says nothing about the program.
bool was_cut_short(const BlockResult& result) noexcept;

// What ckptrun exits with after a crash: the program's code (1 if that was 0), 128 + n for signals.
int exit_code_of_crash(const BlockResult& result) noexcept;

std::string describe_exit(std::optional<int> exit_code, std::optional<int> signal);   // "exit code 3", "killed by SIGKILL"

}  // namespace ckpt::supervisor
