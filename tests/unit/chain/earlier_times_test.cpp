// SPDX-License-Identifier: Apache-2.0
#include "chain/earlier_times.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

engine::Costs costs_with(const std::string& ledger) {
  char name[] = "/tmp/ckpt-times-XXXXXX";
  const rundir::Layout layout(::mkdtemp(name));
  std::filesystem::create_directory(layout.blocks());
  if (!ledger.empty()) std::ofstream(layout.ckptrun_ledger(3)) << ledger;
  const engine::Costs costs = costs_without_progress(io::file_system(), layout, 3);
  std::filesystem::remove_all(layout.directory());
  return costs;
}

const char* started = R"({"event":"started","time":1,"resume":{"block":2,"step":10}})" "\n";

}  // namespace

TEST_CASE("a block that ended without progress teaches how long a step takes") {
  const auto costs = costs_with(std::string(started) +
      R"({"event":"ended","time":2,"step":10,"between_points_seconds":7200,"stage_seconds":2,"drain_seconds":3})" "\n");
  CHECK(costs.between_points == 7200);
  CHECK(costs.stage == 2);
  CHECK(costs.drain == 3);
}

TEST_CASE("a block that saved a newer step shows that a step fits, whatever was estimated") {
  CHECK(costs_with(std::string(started) +
      R"({"event":"ended","time":2,"step":11,"between_points_seconds":7200})" "\n").between_points == 0);
}

TEST_CASE("a block without a ledger, without an end, or with nonsense in it teaches nothing") {
  CHECK(costs_with("").between_points == 0);
  CHECK(costs_with(started).between_points == 0);
  CHECK(costs_with(std::string(started) + R"({"event":"ended","step":null,"between_points_seconds":"long"})" "\n")
            .between_points == 0);
}
