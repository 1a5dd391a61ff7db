// SPDX-License-Identifier: Apache-2.0
// A block, simulated: a program with random steps follows the policy as the engine does.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "engine/policy.hpp"

namespace {

using namespace ckpt::engine;

struct Range {
  double least, most;
};

struct Program {
  const char* what;
  double block_seconds;
  Range step, stage, drain, publish;
};

struct Save {
  double begun, durable;
  Costs known;            // what the policy knew when this save was decided
};

struct BlockRun {
  std::vector<Save> saves;     // the last one is the stop's
  double stop_begun = 0;
  bool within_estimates = true;   // no duration from the stop time on was longer than the policy believed
};

class Simulation {
 public:
  Simulation(const Program& program, const Measurements& earlier, unsigned seed)
      : program_(program), earlier_(earlier), random_(seed) {}

  BlockRun run() {
    for (;;) {
      const Costs costs = estimate_costs(measured_, earlier_);
      if (now_ >= deadline() - costs.lead()) return stop(costs);
      if (save_is_due(costs)) save(costs);
      step();
    }
  }

 private:
  double deadline() const { return program_.block_seconds - safety_margin(program_.block_seconds); }
  SavePolicy policy() const { return {.block_seconds = program_.block_seconds}; }

  double draw(Range range) { return std::uniform_real_distribution<double>(range.least, range.most)(random_); }

  // A save whose writing would still go on at the stop only delays the stop's own.
  bool save_is_due(const Costs& costs) const {
    const double next = result_.saves.empty() ? first_save_after(policy())
                                              : result_.saves.back().begun + save_interval(policy(), costs);
    return now_ >= next && now_ + costs.lead() < deadline() - costs.lead();
  }

  void step() {
    last_step_ = draw(program_.step);
    now_ += last_step_;
    believed_step_ = estimate_costs(measured_, earlier_).between_points;
    measured_.between_points.add(last_step_);
  }

  void save(const Costs& known) {
    const double begun = now_;
    const double free = result_.saves.empty() ? 0 : result_.saves.back().durable;
    const double stage = draw(program_.stage), drain = draw(program_.drain), publish = draw(program_.publish);
    now_ = std::max(now_, free) + stage;
    result_.saves.push_back({begun, now_ + drain + publish, known});
    result_.within_estimates = stage <= known.stage && drain <= known.drain && publish <= known.publish;
    measured_.stage.add(stage);
    measured_.drain.add(drain);
    measured_.publish.add(publish);
  }

  BlockRun stop(const Costs& known) {
    const bool step_was_believed = last_step_ <= believed_step_;
    result_.stop_begun = now_;
    save(known);
    result_.within_estimates = result_.within_estimates && step_was_believed;
    return result_;
  }

  Program program_;
  Measurements measured_, earlier_;
  std::mt19937 random_;
  double now_ = 0, last_step_ = 0, believed_step_ = 0;
  BlockRun result_;
};

// What a ledger of an earlier block of the same program teaches.
Measurements earlier_block(const Program& program, unsigned seed) {
  std::mt19937 random(seed);
  Measurements earlier;
  const auto fill = [&](Observations& observations, Range range) {
    std::uniform_real_distribution<double> duration(range.least, range.most);
    for (int i = 0; i < 15; ++i) observations.add(duration(random));
  };
  fill(earlier.between_points, program.step);
  fill(earlier.stage, program.stage);
  fill(earlier.drain, program.drain);
  fill(earlier.publish, program.publish);
  return earlier;
}

const Program programs[] = {
    {"12 s, batches", 12, {0.001, 0.02}, {0.001, 0.002}, {0.02, 0.08}, {0.001, 0.01}},
    {"60 s, slow disk", 60, {0.05, 0.5}, {0.01, 0.05}, {2, 6}, {0.01, 0.5}},
    {"1 h, validation now and then", 3600, {0.5, 20}, {0.5, 1}, {10, 30}, {0.1, 1}},
    {"24 h, points are epochs", 86400, {1500, 1800}, {2, 4}, {50, 90}, {0.5, 3}},
    {"24 h, points are long epochs", 86400, {12000, 14000}, {2, 4}, {200, 400}, {0.5, 3}},
};

constexpr unsigned seeds = 100;

TEST_CASE("the last save is durable before the deadline as long as nothing takes longer than was estimated") {
  for (const Program& program : programs) {
    unsigned checked = 0;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
      const BlockRun run = Simulation(program, earlier_block(program, seed), seed).run();
      if (!run.within_estimates) continue;
      ++checked;
      INFO(program.what << ", seed " << seed);
      CHECK(run.saves.back().durable <= program.block_seconds - safety_margin(program.block_seconds));
    }
    INFO(program.what);
    CHECK(checked > seeds / 4);   // else this test says little
  }
}

TEST_CASE("what takes a little longer than was estimated is still durable before the end, thanks to the margin") {
  const Program program{"10 min, varied steps", 600, {1, 10}, {0.1, 0.4}, {5, 15}, {0.1, 1}};
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    CHECK(Simulation(program, earlier_block(program, seed), seed).run().saves.back().durable <= program.block_seconds);
  }
}

TEST_CASE("a block without any earlier measurement still makes its deadline when its steps are short") {
  const Program& program = programs[0];
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    CHECK(Simulation(program, {}, seed).run().saves.back().durable <= program.block_seconds);
  }
}

TEST_CASE("the stop comes no earlier than the next step and its save require") {
  for (const Program& program : programs) {
    for (unsigned seed = 1; seed <= seeds; ++seed) {
      const BlockRun run = Simulation(program, earlier_block(program, seed), seed).run();
      const double deadline = program.block_seconds - safety_margin(program.block_seconds);
      INFO(program.what << ", seed " << seed);
      CHECK(run.stop_begun >= deadline - run.saves.back().known.lead());
    }
  }
}

TEST_CASE("a block saves first at the first point after its first-save time") {
  for (const Program& program : programs) {
    for (unsigned seed = 1; seed <= seeds; ++seed) {
      const BlockRun run = Simulation(program, earlier_block(program, seed), seed).run();
      const double after = first_save_after({.block_seconds = program.block_seconds});
      INFO(program.what << ", seed " << seed);
      REQUIRE(run.saves.size() >= 2);
      CHECK(run.saves.front().begun >= after);
      CHECK(run.saves.front().begun <= after + program.step.most);
    }
  }
}

TEST_CASE("saves keep their interval and are not forgotten until the stop is near") {
  for (const Program& program : programs) {
    for (unsigned seed = 1; seed <= seeds; ++seed) {
      const BlockRun run = Simulation(program, earlier_block(program, seed), seed).run();
      for (std::size_t i = 1; i + 1 < run.saves.size(); ++i) {
        const double gap = run.saves[i].begun - run.saves[i - 1].begun;
        const double interval = save_interval({.block_seconds = program.block_seconds}, run.saves[i].known);
        INFO(program.what << ", seed " << seed << ", save " << i);
        CHECK(gap >= interval);
        CHECK(run.saves[i].begun >= run.saves[i - 1].durable);   // so no save ever waits for the one before
        CHECK(gap <= 3 * 3600 + program.step.most + program.stage.most);
      }
    }
  }
}

}  // namespace
