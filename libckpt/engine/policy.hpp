// SPDX-License-Identifier: Apache-2.0
// When to save and when to stop: pure arithmetic on seconds. Nothing here reads a clock or knows a scheduler.
//
//   end        when the job is killed
//   deadline   end - margin: everything must be durable
//   stop time  deadline - (time between points + stage + drain + publish): a point after it must stop, because
//              the next one would come too late
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace ckpt::engine {

constexpr double no_limit = std::numeric_limits<double>::infinity();

// Observed durations of one kind. The estimate is deliberately pessimistic.
class Observations {
 public:
  void add(double seconds);
  std::size_t count() const noexcept { return count_; }
  // p95 of the newest 512; below 20 observations the maximum; nullopt without any.
  std::optional<double> measured() const;
  // The same, the maximum times 1.2.
  std::optional<double> estimate() const;

 private:
  std::vector<double> newest_;   // ring of the newest 512
  std::size_t count_ = 0;
};

struct Costs {           // seconds
  double between_points = 0;
  double stage = 0;      // the stall of a save
  double drain = 0;      // encode, write, fsync
  double publish = 0;
  double lead() const noexcept { return between_points + stage + drain + publish; }
};

// What this block measured; where it measured nothing, what earlier blocks' ledgers say; else 0. Of the time between
// points that is what they measured, without a supplement: a step that fits a block is tried, or a chain whose steps
// take most of one would do nothing any more.
struct Measurements {
  Observations between_points, stage, drain, publish;
};
Costs estimate_costs(const Measurements& this_block, const Measurements& earlier_blocks);

// min(30 s, 10 % of the block); 0 without a limit.
double safety_margin(double block_seconds) noexcept;

struct SavePolicy {
  double block_seconds = no_limit;
  double mean_time_between_failures = 86400;
  std::optional<double> fixed_interval{};      // the user's word outranks the arithmetic
};

// The first save of a block proves the path and measures it: at the first point after min(60 s, 2 % of the block).
double first_save_after(const SavePolicy& policy) noexcept;
// Between saves: sqrt(2 * stall * MTBF) (Young 1974), the stall at most 1 % of the time, never rarer than every 3 h or
// half a block, never more often than a save takes to become durable, nor than every 10 s where a block allows that.
double save_interval(const SavePolicy& policy, const Costs& costs) noexcept;

// Does one point and one save fit a block of this length? Empty: yes; else the arithmetic, for people.
// "one step (26 h 00 min) and its save (40 s) do not fit a block (23 h 59 min): put safe points at batches"
std::optional<double> shortfall_seconds(double block_seconds, const Costs& costs) noexcept;

}  // namespace ckpt::engine
