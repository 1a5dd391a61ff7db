// SPDX-License-Identifier: Apache-2.0
// What a plan is made from, and where each number comes from.
#pragma once

#include <optional>
#include <string>

#include "chain/learned_times.hpp"
#include "chain/plan.hpp"
#include "plan/request.hpp"

namespace ckpt::plan {

struct Known {
  double seconds = 0;
  std::string source;  // "given", "p90 of 7 measured"; empty: not known
  bool is_known() const { return !source.empty(); }
};

struct Knowledge {
  std::string unit = "epoch";
  std::optional<double> units;  // of the whole work
  double units_done = 0;
  Known limit, unit_time, startup, restore, save, between_points;
  engine::Costs costs;  // between_points included
  std::uint64_t state_bytes = 0, file_bytes = 0;

  bool is_enough() const { return unit_time.is_known() && units.has_value(); }
};

// The user's word outranks what was measured.
Knowledge gather(const Request& request, const supervisor::LearnedTimes& learned, const Known& limit);

supervisor::PlanFacts facts_for_plan(const Knowledge& knowledge, const Request& request);

// One line: which number is missing, and how to get it.
std::string how_to_know(const Knowledge& knowledge);

}  // namespace ckpt::plan
