// SPDX-License-Identifier: Apache-2.0
#include "chain/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double rounding = 1e-9;  // 0.1 * 3 / 0.1 is three
constexpr double blocks_countable = 1e15;
constexpr double scheduler_tick_seconds = 30;  // by so much a warning may be early
constexpr double shortest_warning_seconds = 60;
constexpr double longest_warning_seconds = 65535;  // a 16-bit number in the scheduler

double round_up(double value) { return std::ceil(value * (1 - rounding)); }

double save_seconds(const engine::Costs& costs) { return costs.stage + costs.drain + costs.publish; }

// Points known to be finer than an epoch stay what they are. An epoch as a whole is one observation to the policy,
// which adds what it adds to few observations.
void choose_rule(const PlanFacts& facts, Plan& plan) {
  plan.costs = facts.costs;
  if (facts.costs.between_points > 0 && facts.costs.between_points < facts.unit_seconds) {
    plan.rule = Rule::parts_of_units;
    return;
  }
  engine::Observations unit;
  unit.add(facts.unit_seconds);
  plan.rule = Rule::whole_units;
  plan.costs.between_points = std::max(facts.costs.between_points, *unit.estimate());
}

std::string list_of_costs(const PlanFacts& facts, const Plan& plan, const char* separator) {
  std::string text;
  const auto add = [&](const char* what, double seconds) {
    if (seconds <= 0) return;
    text += fmt::format("{}{} {}", text.empty() ? "" : separator, what, format_duration_exactly(seconds));
  };
  add("start-up", facts.startup_seconds);
  add("restore", facts.restore_seconds);
  add("save", save_seconds(plan.costs));
  add("margin", plan.margin_seconds);
  return text;
}

std::string too_long_unit(const PlanFacts& facts, const Plan& plan, double room_seconds) {
  if (room_seconds <= 0)
    return fmt::format("{} leave nothing of a block of {} for work: take a longer limit",
                       list_of_costs(facts, plan, ", "), format_duration_exactly(facts.limit_seconds));
  return fmt::format("one {} ({}) does not fit a block ({} = {} - {}): put safe points within it, or take a longer limit",
                     facts.unit, format_duration_exactly(facts.unit_seconds), format_duration_exactly(room_seconds),
                     format_duration_exactly(facts.limit_seconds), list_of_costs(facts, plan, " - "));
}

std::string too_far_points(const PlanFacts& facts, const Plan& plan) {
  return fmt::format(
      "{}, and {} between two safe points do not fit a block of {}: put safe points closer together, or "
      "take a longer limit",
      list_of_costs(facts, plan, ", "), format_duration_exactly(plan.costs.between_points),
      format_duration_exactly(facts.limit_seconds));
}

void fit_units(const PlanFacts& facts, Plan& plan) {
  plan.margin_seconds = engine::safety_margin(facts.limit_seconds);
  plan.lead_seconds = plan.margin_seconds + plan.costs.lead();
  plan.usable_seconds = facts.limit_seconds - facts.startup_seconds - facts.restore_seconds - plan.lead_seconds;
  if (plan.rule == Rule::parts_of_units) {
    if (plan.usable_seconds <= 0) plan.refusal = too_far_points(facts, plan);
    plan.units_per_block = plan.usable_seconds / facts.unit_seconds;
    return;
  }
  const double room = plan.usable_seconds + plan.costs.between_points;
  if (room < facts.unit_seconds) plan.refusal = too_long_unit(facts, plan, room);
  plan.units_per_block = std::max(1.0, round_up(plan.usable_seconds / facts.unit_seconds));
}

void count_blocks(const PlanFacts& facts, Plan& plan) {
  plan.units_per_block = std::min(plan.units_per_block, facts.units_left);
  const double needed = std::max(1.0, round_up(facts.units_left / plan.units_per_block));
  if (needed > std::min(blocks_countable, static_cast<double>(facts.most_blocks))) {
    plan.refusal = fmt::format(
        "{} would be needed and one array may have {}: take a longer limit, or plan at most {} now and the rest later",
        count_of(needed, "block"), facts.most_blocks,
        count_of(std::floor(plan.units_per_block * static_cast<double>(facts.most_blocks)), facts.unit));
    return;
  }
  plan.blocks_needed = static_cast<std::uint64_t>(needed);
  const std::uint64_t tenth = (plan.blocks_needed + 9) / 10;
  plan.slack_blocks = std::min(facts.slack_blocks.value_or(tenth), facts.most_blocks - plan.blocks_needed);
}

void add_up_time(const PlanFacts& facts, Plan& plan) {
  const double blocks = static_cast<double>(plan.blocks_needed);
  const double save = save_seconds(plan.costs);
  const double work = plan.units_per_block * facts.unit_seconds;
  plan.restart_seconds = facts.startup_seconds + facts.restore_seconds + save;
  plan.block_seconds = work + plan.restart_seconds;
  plan.restart_share = plan.restart_seconds / plan.block_seconds;
  plan.wall_seconds = facts.units_left * facts.unit_seconds + blocks * (facts.startup_seconds + save) +
                      (facts.starts_fresh ? blocks - 1 : blocks) * facts.restore_seconds;
}

void add_up_snapshots(const PlanFacts& facts, Plan& plan) {
  plan.save_interval_seconds = engine::save_interval({.block_seconds = facts.limit_seconds}, plan.costs);
  plan.stall_share = plan.costs.stage / plan.save_interval_seconds;
  const std::uint64_t snapshot_bytes = facts.file_bytes ? facts.file_bytes : facts.state_bytes;
  plan.disk_bytes = (facts.keep + 1) * snapshot_bytes;
  plan.memory_bytes = 2 * facts.state_bytes;
}

}  // namespace

Plan make_plan(const PlanFacts& facts) {
  Plan plan;
  if (!(facts.unit_seconds > 0) || !(facts.units_left > 0)) {
    plan.refusal = fmt::format("nothing to plan: {} of {}", count_of(facts.units_left, facts.unit),
                               format_duration(facts.unit_seconds));
    return plan;
  }
  choose_rule(facts, plan);
  fit_units(facts, plan);
  if (plan.refusal.empty()) count_blocks(facts, plan);
  if (!plan.refusal.empty()) return plan;
  add_up_time(facts, plan);
  add_up_snapshots(facts, plan);
  return plan;
}

unsigned warning_seconds(double limit_seconds, double lead_seconds) noexcept {
  const double after_our_clock = std::ceil(lead_seconds) - scheduler_tick_seconds;
  const double wanted = std::clamp(after_our_clock, shortest_warning_seconds, longest_warning_seconds);
  return static_cast<unsigned>(std::max(1.0, std::min(wanted, std::floor(limit_seconds / 2))));
}

}  // namespace ckpt::supervisor
