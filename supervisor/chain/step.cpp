// SPDX-License-Identifier: Apache-2.0
#include "chain/step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>

#include "base/quantity.hpp"

namespace ckpt::supervisor {
namespace {

using rundir::Outcome;

struct ActionName {
  Action action;
  const char* name;
};
constexpr ActionName action_names[] = {{Action::start_fresh, "start"},
                                       {Action::resume, "resume"},
                                       {Action::retry, "retry"},
                                       {Action::wait_for_owner, "wait"},
                                       {Action::complete, "complete"},
                                       {Action::hand_on, "hand on"},
                                       {Action::leave, "to be continued"},
                                       {Action::superseded, "superseded"},
                                       {Action::stop, "stop"},
                                       {Action::fail, "fail"}};

std::string place(rundir::SnapshotId id) { return fmt::format("step {} (block {})", id.step, id.block); }

// Of a program with its own checkpoints the time between them, of another that of a step and its save.
std::string arithmetic_of_checkpoints(double block_seconds, const engine::Costs& costs) {
  if (costs.between_points <= 0 || !engine::shortfall_seconds(block_seconds, costs)) return {};
  return fmt::format("the time from one checkpoint to the next ({}) does not fit a block ({}): let the program write "
                     "them more often or make blocks longer", format_duration(costs.between_points),
                     format_duration(block_seconds - engine::safety_margin(block_seconds)));
}

// "a step (26 h 00 min) and its save (40 s) do not fit …"; empty when they fit or nothing is known.
std::string arithmetic(double block_seconds, const engine::Costs& costs) {
  if (costs.between_points <= 0 || !engine::shortfall_seconds(block_seconds, costs)) return {};
  return fmt::format("one step ({}) and its save ({}) do not fit a block ({}): put safe points closer together or make "
                     "blocks longer",
                     format_duration(costs.between_points), format_duration(costs.lead() - costs.between_points),
                     format_duration(block_seconds - engine::safety_margin(block_seconds)));
}

constexpr const char* checkpoints_are_lost =
    "this run had whole checkpoints and none is whole now, so that its program would start over; put one back, or start "
    "over with --fresh";

constexpr const char* snapshots_are_lost =
    "this run had durable snapshots and none is left, so that its program would not start over; put one back (of a fork that "
    "was killed: type it again), or start over with --fresh";

// A program without libckpt that left with "to be continued".
bool gave_its_word(const ChainFacts& facts) {
  return facts.continued_before ||
         std::any_of(facts.ended.begin(), facts.ended.end(), [](const auto& block) { return made_progress(block); });
}

Decision next_block(const ChainFacts& facts) {
  if (facts.checkpoint) return {Action::resume, checkpoints::describe(*facts.checkpoint)};
  if (facts.keeps_own && facts.had_checkpoints) return {Action::stop, checkpoints_are_lost};
  if (facts.newest) return {Action::resume, place(*facts.newest)};
  if (facts.ever_had_snapshots && !facts.has_kept) return {Action::stop, snapshots_are_lost};
  if (facts.ever_had_snapshots) return {Action::start_fresh, "what is kept by name: of its snapshots none is left"};
  if (gave_its_word(facts)) return {Action::start_fresh, "where its program left off, by files of its own"};
  return {Action::start_fresh, "the beginning"};
}

constexpr const char* nothing_matched =
    "nothing that --latest names was there all the time: does it say where the program writes, and what? (hidden, temporary and "
    "*best* names are left out, unless the pattern has them)";

std::string lower_numbers(const BlockResult& block) {
  return fmt::format("what block {} wrote has lower numbers than {}, from which it went on: let the program count on (Keras: "
                     "initial_epoch), or leave the number out of the pattern of --latest", block.block,
                     block.own_from ? checkpoints::describe(*block.own_from) : "before");
}

bool is_less_than(double share, const ChainFacts& facts, double seconds) {
  return std::isfinite(facts.block_seconds) && seconds < share * facts.block_seconds;
}

// With a whole block left the work is tried, whatever is expected: no later job has more.
std::optional<Decision> too_short(const ChainFacts& facts) {
  const std::string why = (facts.keeps_own ? arithmetic_of_checkpoints : arithmetic)(facts.block_seconds, facts.earlier_costs);
  if (!why.empty())
    return Decision{Action::stop, why};
  constexpr double share_of_a_whole_block = 0.95;   // the rest: starting, and looking around
  if (is_less_than(share_of_a_whole_block, facts, facts.seconds_left) &&
      facts.seconds_left <= engine::safety_margin(facts.block_seconds) + facts.expected_costs.lead())
    return Decision{Action::hand_on, fmt::format("too little of this job is left ({})", format_duration(std::max(0.0, facts.seconds_left)))};
  return std::nullopt;
}

Decision decide_after(const ChainFacts& facts);

Decision decide_start(const ChainFacts& facts) {
  if (facts.owner != OwnerState::gone) return {Action::wait_for_owner, facts.owner_text};
  const bool completed_by_us = facts.concluded && facts.concluded->action == Action::complete;
  if (facts.complete && (!facts.reopened || completed_by_us)) return {Action::complete, "this run is complete"};
  if (facts.concluded)
    return {facts.concluded->action, fmt::format("block {} ended this chain: {}; submit it anew to try again",
                                                   facts.concluded->block, facts.concluded->reason)};
  if (facts.reopened) return next_block(facts);
  if (facts.judge_last)
    if (const Decision decision = decide_after(facts); concludes(decision.action)) return decision;
  return too_short(facts).value_or(next_block(facts));
}

bool burns_blocks(const std::vector<BlockResult>& ended) {
  if (ended.size() < short_blocks_allowed) return false;
  return std::all_of(ended.end() - short_blocks_allowed, ended.end(), [](const BlockResult& block) {
    return !block.linked && block.outcome == Outcome::stopped && block.asked == StopCause::nobody &&
           block.seconds < short_block_seconds;
  });
}

// Its time was up before a step, or what else is counted, could be measured.
std::string first_one_does_not_fit(const ChainFacts& facts, const BlockResult& last) {
  if (last.keeps_own && !last.own_matched) return nothing_matched;
  const bool was_measured = last.costs.between_points > 0;
  if (last.asked != StopCause::deadline || was_measured || !std::isfinite(facts.block_seconds)) return {};
  const std::string block = format_duration(facts.block_seconds);
  if (last.keeps_own)
    return fmt::format("no whole checkpoint came within a block ({}): let the program write them more often or make "
                       "blocks longer", block);
  return fmt::format("no step was done and saved within a block ({}): put safe points closer together or make blocks "
                     "longer", block);
}

// Once in a row: its next block has its stop signal earlier.
bool may_stop_in_time(const std::vector<BlockResult>& ended) {
  const BlockResult& last = ended.back();
  const bool was_so_before = ended.size() > 1 && ended[ended.size() - 2].stop_cut_off;
  return last.stop_cut_off && !was_so_before && last.stop_seconds < last.whole_seconds / 2;
}

Decision no_progress(const ChainFacts& facts, const BlockResult& last) {
  const std::string since = last.own_from       ? checkpoints::describe(*last.own_from)
                            : last.resumed_from ? place(*last.resumed_from)
                                                : "the beginning";
  if (last.stop_cut_off)
    return {Action::stop, fmt::format("no progress: block {} had not ended {} after its stop signal, without a newer whole checkpoint than "
                                      "{}: let the program save and end faster, or make blocks longer", last.block,
                                      format_duration(last.stop_seconds), since)};
  std::string why = (last.keeps_own ? arithmetic_of_checkpoints : arithmetic)(facts.block_seconds, last.costs);
  if (why.empty()) why = first_one_does_not_fit(facts, last);
  return {Action::stop, fmt::format("no progress: block {} ended without a newer {} than {}{}{}", last.block,
                                    last.keeps_own ? "whole checkpoint" : "snapshot", since, why.empty() ? "" : "; ", why)};
}

Decision after_stop(const ChainFacts& facts, const BlockResult& last) {
  // It may have begun late in its job, after a long wait for the owner say: that says nothing about a whole block.
  constexpr double share_that_counts = 0.8;
  const bool says_nothing = is_less_than(share_that_counts, facts, last.whole_seconds) || may_stop_in_time(facts.ended);
  if (!made_progress(last)) return says_nothing ? next_block(facts) : no_progress(facts, last);
  if (burns_blocks(facts.ended))
    return {Action::stop, fmt::format("no progress: {} blocks in a row ended at once, each in less than {}, with exit "
                                      "code 85", short_blocks_allowed, format_duration(short_block_seconds))};
  return next_block(facts);
}

bool time_was_up(const BlockResult& block) {
  return (block.linked || block.keeps_own) && (block.asked == StopCause::deadline || block.asked == StopCause::job);
}

// By somebody, or the kernel's choice: where that met the program says nothing about the step.
bool was_killed_from_outside(const BlockResult& block) {
  constexpr int by_itself[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  return block.signal && block.crash != CrashKind::memory &&
         std::find(std::begin(by_itself), std::end(by_itself), *block.signal) == std::end(by_itself);
}

// Both came as far, as exactly as that is known: a program is heard of once a second. It went there twice from different
// snapshots, so those in between are no progress.
bool ended_at_the_same_step(const BlockResult& one, const BlockResult& other) {
  constexpr double seconds_unknown = 3;
  if (was_killed_from_outside(one) || was_killed_from_outside(other) || !one.last_step || !other.last_step || one.exit_code != other.exit_code || one.signal != other.signal) return false;
  const double apart = std::abs(static_cast<double>(*one.last_step) - static_cast<double>(*other.last_step));
  const double between_points = std::max(one.costs.between_points, other.costs.between_points);
  return apart == 0 || (between_points > 0 && apart * between_points < seconds_unknown);
}

std::string where_both_ended(const BlockResult& one, const BlockResult& other) {
  if (ended_at_the_same_step(one, other)) return fmt::format("at about step {}", *one.last_step);
  return fmt::format("without a newer {} in between", one.keeps_own ? "whole checkpoint" : "snapshot");
}

// The previous crash, unless the program came further since then.
const BlockResult* same_crash_before(const std::vector<BlockResult>& ended) {
  const BlockResult& last = ended.back();
  for (auto block = ended.rbegin() + 1; block != ended.rend(); ++block) {
    if (block->outcome == Outcome::crashed && !time_was_up(*block))
      return is_newer_state(last, *block) && !ended_at_the_same_step(last, *block) ? nullptr : &*block;
    if (made_progress(*block)) return nullptr;
  }
  return nullptr;
}

bool something_to_resume(const ChainFacts& facts) {
  const BlockResult& last = facts.ended.back();
  if (last.linked) return facts.newest || (last.reached_point && !facts.ever_had_snapshots);
  if (last.keeps_own) return facts.checkpoint.has_value();
  return gave_its_word(facts);
}

std::string why_not_tried_again(const BlockResult& last) {
  if (last.linked) return "it came before the first safe point: not tried again";
  if (!last.keeps_own) return "there is nothing known to resume from: not tried again";
  const std::string why = "it came before the first whole checkpoint: not tried again";
  return last.own_matched ? why : fmt::format("{}; {}", why, nothing_matched);
}

Decision after_crash(const ChainFacts& facts, const BlockResult& last) {
  if (!last.started) return {Action::fail, last.reason};
  if (facts.ever_had_snapshots && !facts.newest)
    return {Action::fail, last.reason + "; this run had snapshots and none is left"};
  if (last.keeps_own && !facts.checkpoint && facts.had_checkpoints)
    return {Action::fail, last.reason + "; " + checkpoints_are_lost};
  if (!something_to_resume(facts) && last.crash != CrashKind::device)   // a broken one shows at once
    return {Action::fail, fmt::format("{}; {}", last.reason, why_not_tried_again(last))};
  if (const BlockResult* before = same_crash_before(facts.ended))
    return {Action::stop, fmt::format("the same step failed twice: blocks {} and {} crashed {} ({})", before->block, last.block,
                                      where_both_ended(last, *before), last.reason)};
  return {Action::retry, next_block(facts).reason};
}

Decision decide_after(const ChainFacts& facts) {
  const BlockResult& last = facts.ended.back();
  if (last.outcome == Outcome::finished) return {Action::complete, last.reason};
  if (last.asked == StopCause::superseded)
    return {Action::superseded, "a newer block of this run has started elsewhere and goes on with it"};
  if (last.asked == StopCause::user) return {last.outcome == Outcome::stopped ? Action::leave : Action::fail, last.reason};
  if (last.own_began_again) return {Action::stop, lower_numbers(last)};
  if (was_cut_short(last)) return next_block(facts);
  if (last.outcome == Outcome::stopped || time_was_up(last)) return after_stop(facts, last);
  return after_crash(facts, last);
}

}  // namespace

const char* name(Action action) noexcept { return action_names[static_cast<std::size_t>(action)].name; }

std::optional<Action> parse_action(std::string_view name) noexcept {
  for (const ActionName& entry : action_names)
    if (entry.name == name) return entry.action;
  return std::nullopt;
}

bool concludes(Action action) noexcept {
  return action == Action::complete || action == Action::leave || action == Action::stop || action == Action::fail;
}

Decision decide(const ChainFacts& facts, Event event) {
  return event == Event::starting ? decide_start(facts) : decide_after(facts);
}

}  // namespace ckpt::supervisor
