// SPDX-License-Identifier: Apache-2.0
#include "chain/outlook.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "chain/learned_times.hpp"
#include "chain/plan.hpp"
#include "rundir/submissions.hpp"

namespace ckpt::supervisor {
namespace {

std::string describe(const LearnedTimes& times) {
  if (!times.done || times.unit.empty() || times.unit == "step") return {};   // steps are told by the snapshot
  if (!times.total || *times.total <= 0) return fmt::format("{} {:.6g}", times.unit, *times.done);
  return fmt::format("{} {:.6g} of {:.6g}", times.unit, *times.done, *times.total);
}

std::uint64_t blocks_needed(const LearnedTimes& times, double block_seconds) {
  const auto unit_seconds = times.unit_seconds.p90();
  if (!unit_seconds || !times.done || !times.total || *times.total <= *times.done || !std::isfinite(block_seconds)) return 0;
  PlanFacts facts;
  facts.limit_seconds = block_seconds;
  facts.unit = times.unit;
  facts.units_left = *times.total - *times.done;
  facts.unit_seconds = *unit_seconds;
  facts.startup_seconds = times.startup.p90().value_or(0);
  facts.restore_seconds = times.restore.p90().value_or(0);
  facts.costs = times.costs();
  facts.starts_fresh = false;
  const Plan plan = make_plan(facts);
  return plan.refusal.empty() ? plan.blocks_needed : 0;
}

std::uint64_t blocks_planned(const std::vector<rundir::Submission>& submissions) {
  return submissions.empty() ? 0 : submissions.front().planned_blocks;
}

}  // namespace

Outlook look_ahead(io::FileSystem& fs, const rundir::Layout& layout, double block_seconds) noexcept try {
  const LearnedTimes times = learn_times(fs, layout);
  Outlook outlook;
  outlook.progress = describe(times);
  outlook.blocks_needed = blocks_needed(times, block_seconds);
  outlook.blocks_planned = blocks_planned(rundir::read_submissions(fs, layout.directory()));
  outlook.costs = times.costs();
  outlook.state_bytes = times.state_bytes;
  outlook.one_start_seconds = times.startup.p90().value_or(0) + times.restore.p90().value_or(0) + outlook.costs.lead();
  return outlook;
} catch (const std::exception& error) {
  log_debug("how far the run is cannot be told: {}", error.what());
  return {};
}

}  // namespace ckpt::supervisor
