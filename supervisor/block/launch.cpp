// SPDX-License-Identifier: Apache-2.0
#include "block/launch.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/working_directory.hpp"
#include "block/neighbours.hpp"

namespace ckpt::supervisor {

// A bare name unsets: an outer ckptrun's values must not reach this program.
std::vector<std::string> environment_of_block(const BlockPlan& plan, const rundir::Layout& layout,
                                              const std::string& station, double deadline_wall_seconds) {
  std::vector<std::string> variables = {"CKPT_RUN=" + plan.run_name, "CKPT_RUN_DIR=" + layout.directory(),
                                        fmt::format("CKPT_BLOCK={}", plan.block), "CKPT_STATION=" + station,
                                        plan.about_blocks > 0 ? fmt::format("CKPT_BLOCKS={}", plan.about_blocks)
                                                              : "CKPT_BLOCKS"};
  variables.push_back(std::isfinite(deadline_wall_seconds) ? fmt::format("CKPT_DEADLINE={:.0f}", deadline_wall_seconds)
                                                           : "CKPT_DEADLINE");
  variables.push_back(plan.resume ? fmt::format("CKPT_STEP={}", plan.resume->step) : "CKPT_STEP");
  if (plan.own && plan.own->resume) variables.push_back("CKPT_RESUME=" + absolute_path(plan.own->resume->path()));
  else variables.push_back(plan.resume ? "CKPT_RESUME=" + layout.snapshot(*plan.resume) : "CKPT_RESUME");
  if (!plan.progress.empty()) variables.push_back("PYTHONUNBUFFERED=1");   // through a pipe it would come in large pieces
  variables.push_back(plan.data_directory.empty() ? "CKPT_DATA" : "CKPT_DATA=" + plan.data_directory);
  if (!plan.staging_size.empty()) variables.push_back("CKPT_STAGING_SIZE=" + plan.staging_size);
  const auto add = [&](const std::vector<std::string>& more) { variables.insert(variables.end(), more.begin(), more.end()); };
  add(tracker_variables(plan.experiment));
  if (plan.deterministic) add(determinism_variables());
  add({"CKPT_OVERRIDE", "CKPT_VARIABLES"});
  add(plan.variables);
  add(container_variables(variables));
  return variables;
}

}  // namespace ckpt::supervisor
