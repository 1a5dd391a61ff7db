// SPDX-License-Identifier: Apache-2.0
#include "plan/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity.hpp"
#include "tools/table.hpp"

namespace ckpt::plan {
namespace {

using namespace supervisor;
using tools::Align;
using tools::Cell;
using tools::Json;
using tools::Table;
using tools::Tone;

std::string percent(double share) { return fmt::format("{:.{}f} %", 100 * share, share < 0.0995 ? 2 : 1); }

std::string exact(double seconds) { return format_duration_exactly(seconds); }

std::string exact_or_unknown(const Known& known) { return known.is_known() ? exact(known.seconds) : "?"; }
Cell source_of(const Known& known) {
  return known.is_known() ? Cell(known.source, Tone::faint) : Cell("not known, counted as 0", Tone::warning);
}

double save_seconds(const Plan& plan) { return plan.costs.stage + plan.costs.drain + plan.costs.publish; }

std::string save_text(const Plan& plan) {
  return save_seconds(plan) > 0 ? "save " + exact(save_seconds(plan)) : "save not known";
}

// A second one is never begun. Then the room for the first is shown: less than nothing would be left in front of the next.
bool only_one_fits(const Plan& plan) { return plan.rule == Rule::whole_units && plan.usable_seconds <= 0; }

// Nothing is known of start-up, restore and save: then nothing is said of what they cost.
std::string restart_share_text(const Plan& plan) {
  return plan.restart_seconds > 0 ? percent(plan.restart_share) : "?";
}

Json if_known(const Plan& plan, double of_restarts) { return plan.restart_seconds > 0 ? Json(of_restarts) : Json(); }

std::string lead_text(const PlanFacts& facts, const Plan& plan) {
  if (only_one_fits(plan)) return fmt::format("{}, margin {}", save_text(plan), exact(plan.margin_seconds));
  const bool whole = plan.rule == Rule::whole_units;
  return fmt::format("{} {}, {}, margin {}", whole ? "the next " + facts.unit : "between safe points",
                     exact(plan.costs.between_points), save_text(plan), exact(plan.margin_seconds));
}

double seconds_for_work(const Plan& plan) { return plan.usable_seconds + (only_one_fits(plan) ? plan.costs.between_points : 0); }

std::string rule_text(const PlanFacts& facts, const Plan& plan) {
  const double ratio = seconds_for_work(plan) / facts.unit_seconds;
  const std::string fit = fmt::format("/ {} = {:.2f}", exact(facts.unit_seconds), ratio);
  const std::string per_block = count_of(plan.units_per_block, facts.unit);
  if (plan.units_per_block >= facts.units_left) return fmt::format("{}: {}, all that is left", fit, per_block);
  if (plan.rule == Rule::parts_of_units)
    return fmt::format("{} {}s; safe points are closer, so parts count", fit, facts.unit);
  if (only_one_fits(plan)) return fmt::format("{}, so {}; a second one would not fit", fit, per_block);
  return fmt::format("{}, so {}; safe points are {}s, and the one that runs then is finished", fit, per_block,
                     facts.unit);
}

std::string work_text(const Knowledge& knowledge, const PlanFacts& facts) {
  const std::string all = count_of(*knowledge.units, facts.unit);
  if (knowledge.units_done <= 0) return all;
  return fmt::format("{} left of {}", count_of(facts.units_left, facts.unit), all);
}

void add_arithmetic(Table& table, const Knowledge& knowledge, const PlanFacts& facts, const Plan& plan) {
  table.add({"  one " + facts.unit, exact(facts.unit_seconds), source_of(knowledge.unit_time)});
  table.add({"  block", exact(facts.limit_seconds), source_of(knowledge.limit)});
  table.add({"  - start-up", exact_or_unknown(knowledge.startup), source_of(knowledge.startup)});
  table.add({"  - restore", exact_or_unknown(knowledge.restore), source_of(knowledge.restore)});
  const double lead = plan.lead_seconds - (seconds_for_work(plan) - plan.usable_seconds);
  table.add({"  - lead", exact(lead), Cell(lead_text(facts, plan), Tone::faint)});
  table.add({"  = for work", exact(seconds_for_work(plan)), Cell(rule_text(facts, plan), Tone::faint)});
}

std::string snapshot_text(const Plan& plan) {
  const std::string each = format_duration(save_seconds(plan)) + " each";
  if (plan.costs.stage <= 0) return each;
  return fmt::format("{}; the program waits {} of it ({})", each, format_duration(plan.costs.stage),
                     percent(plan.stall_share));
}

void add_cost(Table& table, const Knowledge& knowledge, const PlanFacts& facts, const Plan& plan) {
  table.add({"  run time", format_duration(plan.wall_seconds), Cell("and the waits in the queue", Tone::faint)});
  if (plan.restart_seconds > 0)
    table.add({"  restarts", percent(plan.restart_share),
               Cell(fmt::format("of the time; {} a block", format_duration(plan.restart_seconds)), Tone::faint)});
  if (knowledge.save.is_known())
    table.add({"  snapshots", format_duration(plan.save_interval_seconds) + " apart",
               Cell(snapshot_text(plan), Tone::faint)});
  else
    table.add({"  snapshots", "?", source_of(knowledge.save)});
  const bool sized = plan.disk_bytes > 0;
  table.add({"  disk", sized ? format_size(plan.disk_bytes) : "?",
             Cell(count_of(facts.keep, "snapshot") + ", and one while it is written", Tone::faint)});
  table.add({"  memory", plan.memory_bytes ? format_size(plan.memory_bytes) : "?",
             Cell("state and staging area", Tone::faint)});
}

std::string blocks_text(const Plan& plan) {
  return plan.slack_blocks ? fmt::format("{} + {}", plan.blocks_needed, plan.slack_blocks)
                           : fmt::format("{}", plan.blocks_needed);
}

Json known_json(const Known& known) {
  if (!known.is_known()) return nullptr;
  return {{"seconds", known.seconds}, {"source", known.source}};
}

PlanFacts with_limit(PlanFacts facts, double limit_seconds) {
  facts.limit_seconds = limit_seconds;
  return facts;
}

}  // namespace

void print_plan(const Knowledge& knowledge, const PlanFacts& facts, const Plan& plan) {
  fmt::print(
      "{} in {}\n\n", tools::paint(Tone::bold, work_text(knowledge, facts)),
      tools::paint(Tone::bold, fmt::format("{} of up to {}", count_of(static_cast<double>(plan.blocks_needed), "block"),
                                           format_duration(facts.limit_seconds))));
  Table table({{""}, {"", Align::right}, {""}});
  add_arithmetic(table, knowledge, facts, plan);
  table.add({"", "", ""});
  table.add({"  blocks", blocks_text(plan),
             Cell(plan.slack_blocks ? "to spare; what is not needed is cancelled" : "", Tone::faint)});
  add_cost(table, knowledge, facts, plan);
  table.print();
}

Json plan_json(const Knowledge& knowledge, const PlanFacts& facts, const Plan& plan) {
  return {{"unit", facts.unit},
          {"units", tools::or_null(knowledge.units)},
          {"units_done", knowledge.units_done},
          {"unit_time", known_json(knowledge.unit_time)},
          {"limit", known_json(knowledge.limit)},
          {"startup", known_json(knowledge.startup)},
          {"restore", known_json(knowledge.restore)},
          {"save", known_json(knowledge.save)},
          {"between_points", known_json(knowledge.between_points)},
          {"margin_seconds", plan.margin_seconds},
          {"lead_seconds", plan.lead_seconds},
          {"usable_seconds", plan.usable_seconds},
          {"rule", plan.rule == Rule::whole_units ? "whole units" : "parts of units"},
          {"units_per_block", plan.units_per_block},
          {"blocks_needed", plan.blocks_needed},
          {"slack_blocks", plan.slack_blocks},
          {"blocks", plan.blocks()},
          {"run_seconds", plan.wall_seconds},
          {"restart_seconds", if_known(plan, plan.restart_seconds)},
          {"restart_share", if_known(plan, plan.restart_share)},
          {"save_interval_seconds", plan.save_interval_seconds},
          {"stall_share", plan.stall_share},
          {"disk_bytes", plan.disk_bytes ? Json(plan.disk_bytes) : Json()},
          {"memory_bytes", plan.memory_bytes ? Json(plan.memory_bytes) : Json()},
          {"warning_seconds", warning_seconds(facts.limit_seconds, plan.lead_seconds)}};
}

void print_comparison(const PlanFacts& facts, const std::vector<double>& limits) {
  Table table({{"limit", Align::right},
               {"blocks", Align::right},
               {facts.unit + "s a block", Align::right},
               {"lost to restarts", Align::right},
               {"run time", Align::right},
               {""}});
  for (const double limit : limits) {
    const Plan plan = make_plan(with_limit(facts, limit));
    if (!plan.refusal.empty())
      table.add({format_duration(limit), "-", "-", "-", "-", Cell(plan.refusal, Tone::bad)});
    else
      table.add({format_duration(limit), fmt::format("{}", plan.blocks_needed),
                 fmt::format("{:.6g}", plan.units_per_block), restart_share_text(plan),
                 format_duration(plan.wall_seconds), ""});
  }
  table.print();
}

Json comparison_json(const PlanFacts& facts, const std::vector<double>& limits) {
  Json rows = Json::array();
  for (const double limit : limits) {
    const Plan plan = make_plan(with_limit(facts, limit));
    Json row = {{"limit_seconds", limit}, {"refusal", plan.refusal.empty() ? Json() : Json(plan.refusal)}};
    if (plan.refusal.empty())
      row.update({{"blocks_needed", plan.blocks_needed},
                  {"units_per_block", plan.units_per_block},
                  {"restart_share", if_known(plan, plan.restart_share)},
                  {"run_seconds", plan.wall_seconds}});
    rows.push_back(row);
  }
  return rows;
}

}  // namespace ckpt::plan
