// SPDX-License-Identifier: Apache-2.0
#include "block/outcome.hpp"

#include <fmt/format.h>

#include "block/signal_inbox.hpp"

namespace ckpt::supervisor {
namespace {

using rundir::Outcome;

struct CauseName {
  StopCause cause;
  const char* name;
};
constexpr CauseName cause_names[] = {{StopCause::nobody, "nobody"},
                                     {StopCause::deadline, "deadline"},
                                     {StopCause::job, "job"},
                                     {StopCause::user, "user"},
                                     {StopCause::superseded, "superseded"}};

std::string at_step(const std::optional<std::uint64_t>& step) {
  return step ? fmt::format(" at step {}", *step) : std::string();
}

std::string why_killed(const Seen& seen) {
  if (seen.killed_at_once) return "killed: asked to stop at once";
  switch (seen.asked) {
    case StopCause::user: return "killed: asked to stop, it had not when the block's time was up";
    case StopCause::superseded: return "killed: a newer block of this run has started";
    default: return "killed: it had not stopped when the block's time was up";
  }
}

std::string reason_of_recorded(Outcome outcome, const std::optional<std::uint64_t>& step, const std::string& reason) {
  const std::string what = outcome == Outcome::finished ? "finished" : "stopped";
  return what + at_step(step) + (reason.empty() ? "" : ": " + reason);
}

std::optional<Verdict> judge_recorded(const Seen& seen) {
  if (seen.recorded && (seen.recorded->outcome == Outcome::finished || seen.recorded->outcome == Outcome::stopped))
    return Verdict{seen.recorded->outcome,
                   reason_of_recorded(seen.recorded->outcome, seen.recorded->step, seen.recorded->reason)};
  if (!seen.told || seen.told->outcome == staging::ProgramOutcome::failed) return std::nullopt;
  const Outcome outcome =
      seen.told->outcome == staging::ProgramOutcome::finished ? Outcome::finished : Outcome::stopped;
  return Verdict{outcome, reason_of_recorded(outcome, seen.told->step, seen.told->reason)};
}

Verdict judge_linked(const Seen& seen) {
  if (seen.killed) return {Outcome::crashed, why_killed(seen)};
  const std::string how = describe_exit(seen.exit_code, seen.signal);
  if (seen.told && !seen.told->reason.empty()) return {Outcome::crashed, how + ": " + seen.told->reason};
  if (seen.recorded && !seen.recorded->reason.empty()) return {Outcome::crashed, how + ": " + seen.recorded->reason};
  if (seen.exit_code == 0)
    return {Outcome::crashed, "exit code 0, but the work was not said to be complete: call ckpt_finish (Python: run.finish()) at its end"};
  if (seen.exit_code == exit_to_be_continued)
    return {Outcome::crashed, "exit code 85, but no stop with a durable snapshot was recorded"};
  return {Outcome::crashed, how};
}

// What it left behind outranks how it ended: a signal's code and a launcher's say little.
Verdict judge_own_checkpoints(const Seen& seen) {
  const std::string how = seen.killed ? why_killed(seen) : describe_exit(seen.exit_code, seen.signal);
  if (seen.exit_code == exit_to_be_continued && !seen.killed) return {Outcome::stopped, how};
  if (seen.asked == StopCause::nobody) return {seen.exit_code == 0 ? Outcome::finished : Outcome::crashed, how};
  if (!seen.newer_checkpoint.empty())
    return {Outcome::stopped, fmt::format("stopped with {}, {}", seen.newer_checkpoint, how)};
  return {Outcome::crashed, how + " after it was asked to stop, without a newer whole checkpoint"};
}

Verdict judge_wrapped(const Seen& seen) {
  if (seen.done == true) return {Outcome::finished, "exit code 0, and --done-when says that the work is done"};
  if (seen.done == false && seen.asked == StopCause::nobody)
    return {Outcome::crashed, "exit code 0, but --done-when says that the work is not done"};
  if (seen.keeps_own) return judge_own_checkpoints(seen);
  if (seen.killed) return {Outcome::crashed, why_killed(seen)};
  if (seen.exit_code == exit_to_be_continued) return {Outcome::stopped, "exit code 85"};
  const std::string how = describe_exit(seen.exit_code, seen.signal);
  if (seen.asked == StopCause::nobody)
    return seen.exit_code == 0 ? Verdict{Outcome::finished, how} : Verdict{Outcome::crashed, how};
  if (seen.exit_code == 0)
    return {Outcome::crashed,
            "exit code 0 after it was asked to stop: whether its work is complete is not known; exit with 85 to be "
            "continued"};
  return {Outcome::crashed, how + " after it was asked to stop; a program that can go on later exits with 85"};
}

}  // namespace

const char* name(StopCause cause) noexcept { return cause_names[static_cast<std::size_t>(cause)].name; }

std::optional<StopCause> parse_stop_cause(std::string_view name) noexcept {
  for (const CauseName& entry : cause_names)
    if (entry.name == name) return entry.cause;
  return std::nullopt;
}

Verdict judge(const Seen& seen) {
  if (auto verdict = judge_recorded(seen)) return *verdict;
  return seen.linked ? judge_linked(seen) : judge_wrapped(seen);
}

bool is_newer_state(const std::optional<rundir::SnapshotId>& now, const std::optional<rundir::SnapshotId>& before) noexcept {
  if (!now || !before) return now.has_value();
  return *now > *before && now->step != before->step;
}

bool is_newer_state(const BlockResult& now, const BlockResult& before) noexcept {
  return now.keeps_own ? checkpoints::is_newer(now.own_newest, before.own_newest) : is_newer_state(now.newest, before.newest);
}

// A signal late in a block is its warning, or its limit.
bool was_cut_short(const BlockResult& result) noexcept {
  constexpr double share_of_a_block_that_counts = 0.8;
  if (result.asked == StopCause::user || result.asked == StopCause::superseded) return false;
  if (result.end_moved_nearer) return result.outcome == Outcome::stopped || result.asked != StopCause::nobody;
  return result.asked == StopCause::job && !(result.seconds >= share_of_a_block_that_counts * result.whole_seconds);
}

bool made_progress(const BlockResult& result) noexcept {
  if (result.linked) return is_newer_state(result.newest, result.resumed_from);
  return result.keeps_own ? checkpoints::is_newer(result.own_newest, result.own_from) : result.outcome == Outcome::stopped;
}

int exit_code_of_crash(const BlockResult& result) noexcept {
  if (result.signal) return 128 + *result.signal;
  const int code = result.exit_code.value_or(1);
  return code == 0 ? 1 : code;
}

std::string describe_exit(std::optional<int> exit_code, std::optional<int> signal) {
  if (signal) return "killed by " + signal_name(*signal);
  return exit_code ? fmt::format("exit code {}", *exit_code) : std::string("its end was not seen");
}

}  // namespace ckpt::supervisor
