// SPDX-License-Identifier: Apache-2.0
#include "engine/policy.hpp"

#include <catch2/catch.hpp>

#include <initializer_list>
#include <string>

namespace {

using namespace ckpt::engine;

constexpr double hour = 3600, day = 24 * hour;

Observations observed(std::initializer_list<double> seconds) {
  Observations observations;
  for (const double value : seconds) observations.add(value);
  return observations;
}

Observations one_to(int last) {
  Observations observations;
  for (int value = 1; value <= last; ++value) observations.add(value);
  return observations;
}

double interval(double block_seconds, const Costs& costs, double mtbf = day) {
  return save_interval({.block_seconds = block_seconds, .mean_time_between_failures = mtbf}, costs);
}

TEST_CASE("without observations there is no estimate") {
  CHECK_FALSE(Observations().estimate().has_value());
  CHECK(Observations().count() == 0);
}

TEST_CASE("below 20 observations the estimate is the maximum times 1.2, from 20 on the 95th percentile") {
  CHECK(*observed({3}).estimate() == Approx(3.6));
  CHECK(*observed({5, 1, 2}).estimate() == Approx(6.0));
  CHECK(*one_to(19).estimate() == Approx(19 * 1.2));
  CHECK(*one_to(20).estimate() == Approx(19));   // 19 of 20 are not longer
  CHECK(*one_to(21).estimate() == Approx(20));
  CHECK(*one_to(100).estimate() == Approx(95));
}

TEST_CASE("the estimate does not depend on the order of the observations") {
  Observations descending;
  for (int value = 100; value >= 1; --value) descending.add(value);
  CHECK(*descending.estimate() == Approx(95));
}

TEST_CASE("only the newest 512 observations count, and the oldest goes first") {
  Observations observations;
  for (int i = 0; i < 512; ++i) observations.add(100);
  for (int i = 0; i < 486; ++i) observations.add(1);
  CHECK(*observations.estimate() == Approx(100));   // 26 of 512 are still old: more than 5 %
  observations.add(1);
  CHECK(*observations.estimate() == Approx(1));     // 25: less than 5 %
  CHECK(observations.count() == 999);
}

TEST_CASE("what this block measured outranks earlier blocks, each duration for itself, and nothing measured is 0") {
  const Measurements here{.between_points = observed({10}), .stage = {}, .drain = observed({2}), .publish = {}};
  const Measurements earlier{.between_points = observed({1000}), .stage = observed({5}), .drain = {}, .publish = {}};
  const Costs costs = estimate_costs(here, earlier);
  CHECK(costs.between_points == Approx(12));
  CHECK(costs.stage == Approx(6));
  CHECK(costs.drain == Approx(2.4));
  CHECK(costs.publish == 0);
  CHECK(costs.lead() == Approx(20.4));
  CHECK(estimate_costs({}, {}).lead() == 0);
}

TEST_CASE("a step is tried at the start of a block when the longest so far would fit, and later with a supplement") {
  const Measurements earlier{.between_points = observed({1000, 900}), .stage = {}, .drain = {}, .publish = {}};
  CHECK(estimate_costs({}, earlier).between_points == Approx(1000));
  const Measurements here{.between_points = observed({1000}), .stage = {}, .drain = {}, .publish = {}};
  CHECK(estimate_costs(here, earlier).between_points == Approx(1200));
}

TEST_CASE("the margin is 10 % of a short block, 30 s of a long one, and nothing without a limit") {
  CHECK(safety_margin(12) == Approx(1.2));
  CHECK(safety_margin(60) == Approx(6));
  CHECK(safety_margin(300) == Approx(30));
  CHECK(safety_margin(day) == Approx(30));
  CHECK(safety_margin(no_limit) == 0);
  CHECK(safety_margin(0) == 0);
  CHECK(safety_margin(-5) == 0);
}

TEST_CASE("the first save comes after a minute, in short blocks after 2 % of them") {
  const auto after = [](double block_seconds) { return first_save_after({.block_seconds = block_seconds}); };
  CHECK(after(12) == Approx(0.24));
  CHECK(after(60) == Approx(1.2));
  CHECK(after(hour) == Approx(60));
  CHECK(after(day) == Approx(60));
  CHECK(after(no_limit) == Approx(60));
}

TEST_CASE("an interval that the user chose holds for the first save as well") {
  CHECK(first_save_after({.block_seconds = day, .fixed_interval = 2}) == Approx(2));
  CHECK(first_save_after({.block_seconds = 12, .fixed_interval = 100}) == Approx(0.24));
}

TEST_CASE("the interval between saves follows Young within its bounds") {
  struct Row {
    const char* what;
    double block, mtbf;
    Costs costs;
    double expected;
  };
  const Row rows[] = {
      {"24 h, a stall of 0.1 s: Young", day, day, {.stage = 0.1, .drain = 1}, 131.453},
      {"24 h, 3 s, 60 s to write: Young", day, day, {.stage = 3, .drain = 60, .publish = 1}, 720},
      {"a stall of 20 s: 1 % of the time is rarer than Young", day, day, {.stage = 20, .drain = 60}, 2000},
      {"failures every hour: 1 % again", day, hour, {.stage = 3}, 300},
      {"no failures to speak of: 3 h at the latest", day, 1e9, {.stage = 3}, 3 * hour},
      {"a stall of 5 min: 3 h outranks 1 %", day, day, {.stage = 300, .drain = 300}, 3 * hour},
      {"12 s: half a block", 12, day, {.stage = 0.01, .drain = 0.1}, 6},
      {"60 s, small state: Young", 60, day, {.stage = 0.001, .drain = 0.1}, 13.1453},
      {"60 s, tiny state: 10 s", 60, day, {.stage = 1e-6, .drain = 0.001}, 10},
      {"60 s: half a block", 60, day, {.stage = 0.01, .drain = 0.1}, 30},
      {"no limit", no_limit, day, {.stage = 0.1}, 131.453},
      {"a save takes longer than half a block", 60, day, {.stage = 0.1, .drain = 40, .publish = 1}, 41.1},
      {"a save takes longer than Young", day, day, {.stage = 0.001, .drain = 100, .publish = 1}, 101.001},
      {"steps of an epoch do not enter", day, day, {.between_points = 7000, .stage = 0.1, .drain = 1}, 131.453},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(interval(row.block, row.costs, row.mtbf) == Approx(row.expected).epsilon(1e-4));
  }
}

TEST_CASE("as long as no stall was measured a save is as rare as the bounds allow") {
  CHECK(interval(day, {}) == Approx(3 * hour));
  CHECK(interval(12, {}) == Approx(6));
  CHECK(interval(no_limit, {}) == Approx(3 * hour));
  CHECK(interval(12, {.drain = 8}) == Approx(8));
}

TEST_CASE("the user's interval outranks the arithmetic") {
  const SavePolicy policy{.block_seconds = 12, .mean_time_between_failures = day, .fixed_interval = 7 * hour};
  CHECK(save_interval(policy, {.stage = 300, .drain = 300}) == 7 * hour);
}

TEST_CASE("an epoch that does not fit a block is told by how much") {
  CHECK_FALSE(shortfall_seconds(day, {.between_points = 23 * hour, .stage = 1, .drain = 60, .publish = 1}).has_value());
  const auto missing = shortfall_seconds(day, {.between_points = 26 * hour, .stage = 10, .drain = 29, .publish = 1});
  REQUIRE(missing.has_value());
  CHECK(*missing == Approx(2 * hour + 40 + 30));
  CHECK(*shortfall_seconds(12, {.between_points = 10, .drain = 2}) == Approx(1.2));
}

TEST_CASE("one point and one save that fill a block exactly still fit") {
  CHECK_FALSE(shortfall_seconds(60, {.between_points = 50, .stage = 1, .drain = 2, .publish = 1}).has_value());
  CHECK(shortfall_seconds(60, {.between_points = 50.5, .stage = 1, .drain = 2, .publish = 1}).has_value());
}

TEST_CASE("everything fits a block without limit, and nothing measured fits every block") {
  CHECK_FALSE(shortfall_seconds(no_limit, {.between_points = 1000 * day}).has_value());
  CHECK_FALSE(shortfall_seconds(12, {}).has_value());
}

}  // namespace
