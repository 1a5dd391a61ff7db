// SPDX-License-Identifier: Apache-2.0
#include "block/launch.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "block/child.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

bool has(const std::vector<std::string>& variables, const std::string& one) {
  return std::find(variables.begin(), variables.end(), one) != variables.end();
}

BlockPlan plan_of_block_7() {
  BlockPlan plan;
  plan.block = 7;
  plan.run_name = "sweep/3";
  return plan;
}

}  // namespace

TEST_CASE("the program finds its run, block, station and what the catalog expects in its environment") {
  BlockPlan plan = plan_of_block_7();
  plan.resume = rundir::SnapshotId{6, 4100};
  plan.staging_size = "4096";
  const auto variables = environment_of_block(plan, rundir::Layout("/runs/sweep/3"), "@station", 1.8e9);
  CHECK(has(variables, "CKPT_RUN=sweep/3"));
  CHECK(has(variables, "CKPT_RUN_DIR=/runs/sweep/3"));
  CHECK(has(variables, "CKPT_BLOCK=7"));
  CHECK(has(variables, "CKPT_STATION=@station"));
  CHECK(has(variables, "CKPT_DEADLINE=1800000000"));
  CHECK(has(variables, "CKPT_STEP=4100"));
  CHECK(has(variables, "CKPT_RESUME=/runs/sweep/3/snapshots/step-000000004100-b0006.h5"));
  CHECK(has(variables, "CKPT_STAGING_SIZE=4096"));
}

TEST_CASE("without limit and snapshot, the values of an outer ckptrun do not reach the program") {
  ::setenv("CKPT_DEADLINE", "1", 1);
  ::setenv("CKPT_RESUME", "/other", 1);
  const auto ours = environment_of_block(plan_of_block_7(), rundir::Layout("/runs/x"), "@s", engine::no_limit);
  const auto variables = child_environment(ours);
  ::unsetenv("CKPT_DEADLINE");
  ::unsetenv("CKPT_RESUME");
  for (const auto& variable : variables) {
    CHECK_FALSE(variable.starts_with("CKPT_DEADLINE"));
    CHECK_FALSE(variable.starts_with("CKPT_RESUME"));
    CHECK_FALSE(variable.starts_with("CKPT_STEP"));
  }
  CHECK(has(variables, "CKPT_BLOCK=7"));
  CHECK(std::any_of(variables.begin(), variables.end(), [](const auto& v) { return v.starts_with("PATH="); }));
}
