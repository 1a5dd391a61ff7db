// SPDX-License-Identifier: Apache-2.0
#include "chain/plan.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace ckpt::supervisor;
using Catch::Matchers::Contains;

namespace {

constexpr double minute = 60, hour = 3600, day = 86400;

PlanFacts facts(double left, double unit_seconds, double limit_seconds) {
  PlanFacts result;
  result.units_left = left;
  result.unit_seconds = unit_seconds;
  result.limit_seconds = limit_seconds;
  result.startup_seconds = 2 * minute;
  result.restore_seconds = 20;
  result.costs = {.between_points = 0, .stage = 1, .drain = 40, .publish = 1};
  return result;
}

struct Case {
  const char* what;
  PlanFacts facts;
  Rule rule;
  double per_block;
  std::uint64_t needed, slack;
};

PlanFacts with_points(PlanFacts facts, double between_points) {
  facts.costs.between_points = between_points;
  return facts;
}

PlanFacts with_slack(PlanFacts facts, std::uint64_t slack) {
  facts.slack_blocks = slack;
  return facts;
}

PlanFacts with_most(PlanFacts facts, std::uint64_t most) {
  facts.most_blocks = most;
  return facts;
}

// The figures by hand: 24 h - 2 min - 20 s - (30 s + 42 s) = 86188 s for epochs and the one that runs at the stop time.
const Case cases[] = {
    {"epochs of 14 min: 86188 - 1008 = 85180 s, / 840 = 101.4, the last one is finished", facts(300, 14 * minute, day),
     Rule::whole_units, 102, 3, 1},
    {"epochs of 10 h: one runs, the second no longer fits after 20 h", facts(10, 10 * hour, day), Rule::whole_units, 2,
     5, 1},
    {"an epoch of 13 h is the whole of a block", facts(10, 13 * hour, day), Rule::whole_units, 1, 10, 1},
    {"an epoch that just fits", facts(3, 86188, day), Rule::whole_units, 1, 3, 1},
    {"safe points at batches: parts of epochs count", with_points(facts(10, 10 * hour, day), 2), Rule::parts_of_units,
     86186.0 / 36000, 5, 1},
    {"an epoch longer than a block, with safe points inside", with_points(facts(2, 30 * hour, day), 10),
     Rule::parts_of_units, 86178.0 / 108000, 3, 1},
    {"points as long as epochs are epochs", with_points(facts(300, 14 * minute, day), 14 * minute), Rule::whole_units,
     102, 3, 1},
    {"all fits one block", facts(3, 14 * minute, day), Rule::whole_units, 3, 1, 1},
    {"half an epoch is left", facts(0.5, 14 * minute, day), Rule::whole_units, 0.5, 1, 1},
    {"without a limit there is one block", facts(300, 14 * minute, ckpt::engine::no_limit), Rule::whole_units, 300, 1,
     1},
    {"stated slack", with_slack(facts(300, 14 * minute, day), 5), Rule::whole_units, 102, 3, 5},
    {"no slack", with_slack(facts(300, 14 * minute, day), 0), Rule::whole_units, 102, 3, 0},
    {"a tenth of slack, rounded up", facts(2050, 14 * minute, day), Rule::whole_units, 102, 21, 3},
    {"slack gives way to the most that is allowed", with_most(facts(2050, 14 * minute, day), 22), Rule::whole_units,
     102, 21, 1},
};

}  // namespace

TEST_CASE("a plan is what the arithmetic says") {
  for (const Case& one : cases) {
    INFO(one.what);
    const Plan plan = make_plan(one.facts);
    REQUIRE(plan.refusal == "");
    CHECK(plan.rule == one.rule);
    CHECK(plan.units_per_block == Approx(one.per_block).epsilon(1e-12));
    CHECK(plan.blocks_needed == one.needed);
    CHECK(plan.slack_blocks == one.slack);
  }
}

TEST_CASE("the lead is margin, time between points and the save, as engine/policy adds them") {
  const Plan plan = make_plan(with_points(facts(10, hour, day), 5));
  CHECK(plan.margin_seconds == 30);
  CHECK(plan.lead_seconds == 30 + 5 + 42);
  CHECK(plan.usable_seconds == day - 140 - 77);
}

TEST_CASE("time, disk and memory are added up") {
  PlanFacts given = facts(300, 14 * minute, day);
  given.state_bytes = 1000;
  given.file_bytes = 800;
  given.keep = 3;
  const Plan plan = make_plan(given);
  CHECK(plan.restart_seconds == 120 + 20 + 42);
  CHECK(plan.block_seconds == 102 * 840 + 182);
  CHECK(plan.restart_share == Approx(182.0 / (102 * 840 + 182)));
  CHECK(plan.wall_seconds == 300 * 840 + 3 * 162 + 2 * 20);
  CHECK(plan.disk_bytes == 4 * 800);
  CHECK(plan.memory_bytes == 2000);
  given.starts_fresh = false;
  CHECK(make_plan(given).wall_seconds == 300 * 840 + 3 * 182);
}

TEST_CASE("what does not fit is refused with the arithmetic and the way out") {
  CHECK_THAT(
      make_plan(facts(3, 26 * hour, day)).refusal,
      Contains(
          "one epoch (26 h 00 min) does not fit a block (23 h 56 min 28 s = 24 h 00 min - start-up 2 min - restore 20 s "
          "- save 42 s - margin 30 s)") &&
          Contains("put safe points within it"));
  CHECK_THAT(make_plan(facts(3, minute, 3 * minute)).refusal,
             Contains("leave nothing of a block of 3 min for work: take a longer limit"));
  CHECK_THAT(make_plan(with_points(facts(3, 2 * day, day), day)).refusal, Contains("put safe points closer together"));
  CHECK_THAT(make_plan(with_most(facts(5000, 14 * minute, day), 40)).refusal,
             Contains("50 blocks would be needed and one array may have 40") && Contains("at most 4080 epochs now"));
  CHECK_THAT(make_plan(facts(0, minute, day)).refusal, Contains("nothing to plan: 0 epochs"));
  CHECK_FALSE(make_plan(facts(3, NAN, day)).refusal.empty());
}

namespace {

class RandomFacts {
 public:
  explicit RandomFacts(unsigned seed) : random_(seed) {}

  PlanFacts draw() {
    PlanFacts facts;
    facts.limit_seconds = spread(60, 7 * day);
    facts.unit_seconds = spread(1, 2 * day);
    facts.units_left = std::ceil(spread(1, 5000));
    facts.startup_seconds = spread(0.1, 1000);
    facts.restore_seconds = spread(0.1, 500);
    facts.costs = {.between_points = coin() ? spread(0.001, facts.unit_seconds) : 0,
                   .stage = spread(0.01, 10),
                   .drain = spread(0.1, 500),
                   .publish = spread(0.01, 5)};
    if (coin()) facts.most_blocks = static_cast<std::uint64_t>(spread(1, 2000));
    return facts;
  }
  double between(double least, double most) { return std::uniform_real_distribution(least, most)(random_); }

 private:
  double spread(double least, double most) { return least * std::pow(most / least, between(0, 1)); }
  bool coin() { return between(0, 1) < 0.5; }
  std::mt19937 random_;
};

// One block as the engine runs it: it stops at the first point at or after its stop time. Nothing takes longer than
// planned.
double units_done_in_a_block(const PlanFacts& facts, const Plan& plan, RandomFacts& random) {
  const bool whole = plan.rule == Rule::whole_units;
  const double longest_step = whole ? facts.unit_seconds : facts.costs.between_points;
  const double stop = facts.limit_seconds - plan.lead_seconds;
  double now = (facts.startup_seconds + facts.restore_seconds) * random.between(0.5, 1);
  double units = 0;
  do {  // at the step just restored a stop gains nothing: one step is tried in any case
    const double step = longest_step * random.between(0.7, 1);
    now += step;
    units += whole ? 1 : step / facts.unit_seconds * random.between(1, 1.3);  // an epoch is seldom as long as planned
  } while (now < stop);
  CHECK(now + plan.costs.stage + plan.costs.drain + plan.costs.publish <=
        facts.limit_seconds - plan.margin_seconds + 1e-6);
  return units;
}

}  // namespace

TEST_CASE("a plan covers the work, and never has more blocks than are allowed") {
  unsigned planned = 0;
  for (unsigned seed = 1; seed <= 5000; ++seed) {
    RandomFacts random(seed);
    const PlanFacts given = random.draw();
    const Plan plan = make_plan(given);
    if (!plan.refusal.empty()) continue;
    ++planned;
    INFO("seed " << seed);
    CHECK(plan.blocks() <= given.most_blocks);
    CHECK(static_cast<double>(plan.blocks_needed) * plan.units_per_block >= given.units_left * (1 - 1e-9));
    CHECK(static_cast<double>(plan.blocks_needed - 1) * plan.units_per_block < given.units_left);
    CHECK(plan.block_seconds <= given.limit_seconds);
  }
  CHECK(planned > 1000);
}

TEST_CASE("a block that is run as the engine runs it gets at least as far as was planned") {
  unsigned simulated = 0;
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    RandomFacts random(seed);
    PlanFacts given = random.draw();
    given.units_left = 1e9;
    const Plan plan = make_plan(given);
    const double steps = given.limit_seconds / std::min(given.unit_seconds, plan.costs.between_points);
    if (!plan.refusal.empty() || steps > 1e5) continue;
    ++simulated;
    INFO("seed " << seed);
    CHECK(units_done_in_a_block(given, plan, random) >= plan.units_per_block * (1 - 1e-9));
  }
  CHECK(simulated > 500);
}

TEST_CASE("a longer limit never needs more blocks, and is never refused where a shorter one was not") {
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    RandomFacts random(seed);
    const PlanFacts given = random.draw();
    PlanFacts longer = given;
    longer.limit_seconds = given.limit_seconds * random.between(1, 3);
    const Plan plan = make_plan(given), with_more_time = make_plan(longer);
    if (!plan.refusal.empty()) continue;
    INFO("seed " << seed);
    REQUIRE(with_more_time.refusal == "");
    CHECK(with_more_time.blocks_needed <= plan.blocks_needed);
  }
}

TEST_CASE(
    "the scheduler's warning comes after the block's own clock, at least a minute and at most half a block before the "
    "end") {
  CHECK(warning_seconds(day, 10) == 60);
  CHECK(warning_seconds(day, 1050.2) == 1021);
  CHECK(warning_seconds(day, 26 * hour) == 12 * hour);
  CHECK(warning_seconds(30 * day, 25 * hour) == 65535);
  CHECK(warning_seconds(100, 20) == 50);
  CHECK(warning_seconds(ckpt::engine::no_limit, 90) == 60);
}

