// SPDX-License-Identifier: Apache-2.0
// A plan as a person reads it at a glance, and as programs do.
#pragma once

#include "plan/knowledge.hpp"
#include "tools/json_text.hpp"

namespace ckpt::plan {

void print_plan(const Knowledge& knowledge, const supervisor::PlanFacts& facts, const supervisor::Plan& plan);
tools::Json plan_json(const Knowledge& knowledge, const supervisor::PlanFacts& facts, const supervisor::Plan& plan);

// One row for each limit: what short queues cost.
void print_comparison(const supervisor::PlanFacts& facts, const std::vector<double>& limits);
tools::Json comparison_json(const supervisor::PlanFacts& facts, const std::vector<double>& limits);

}  // namespace ckpt::plan
