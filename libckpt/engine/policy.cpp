// SPDX-License-Identifier: Apache-2.0
#include "engine/policy.hpp"

#include <algorithm>
#include <cmath>

namespace ckpt::engine {
namespace {

constexpr std::size_t remembered = 512;
constexpr std::size_t enough_for_percentile = 20;
constexpr double supplement_to_few = 1.2;
constexpr double longest_margin_seconds = 30;
constexpr double margin_share = 0.1;
constexpr double longest_first_save_seconds = 60;
constexpr double first_save_share = 0.02;
constexpr double longest_interval_seconds = 3 * 3600;
constexpr double shortest_interval_seconds = 10;   // a tiny stall is no reason to fsync a shared disk all the time
constexpr double stall_share = 0.01;

// Nearest rank: the smallest value that at least 95 % of them do not exceed.
double percentile_95(std::vector<double> values) {
  const std::size_t rank = (values.size() * 95 + 99) / 100;
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

double estimate_of(const Observations& this_block, const Observations& earlier_blocks) {
  if (const auto seconds = this_block.estimate()) return *seconds;
  return earlier_blocks.estimate().value_or(0);
}

}  // namespace

void Observations::add(double seconds) {
  if (newest_.size() < remembered) {
    newest_.push_back(seconds);
  } else {
    newest_[count_ % remembered] = seconds;
  }
  ++count_;
}

std::optional<double> Observations::measured() const {
  if (newest_.empty()) return std::nullopt;
  if (newest_.size() < enough_for_percentile) return *std::max_element(newest_.begin(), newest_.end());
  return percentile_95(newest_);
}

std::optional<double> Observations::estimate() const {
  const double supplement = newest_.size() < enough_for_percentile ? supplement_to_few : 1;
  const auto seconds = measured();
  return seconds ? std::optional(*seconds * supplement) : std::nullopt;
}

Costs estimate_costs(const Measurements& this_block, const Measurements& earlier_blocks) {
  const auto between_points = this_block.between_points.estimate();
  return {.between_points = between_points.value_or(earlier_blocks.between_points.measured().value_or(0)),
          .stage = estimate_of(this_block.stage, earlier_blocks.stage),
          .drain = estimate_of(this_block.drain, earlier_blocks.drain),
          .publish = estimate_of(this_block.publish, earlier_blocks.publish)};
}

double safety_margin(double block_seconds) noexcept {
  if (!std::isfinite(block_seconds)) return 0;
  return std::clamp(block_seconds * margin_share, 0.0, longest_margin_seconds);
}

double first_save_after(const SavePolicy& policy) noexcept {
  return std::min({longest_first_save_seconds, policy.block_seconds * first_save_share,
                   policy.fixed_interval.value_or(longest_first_save_seconds)});
}

double save_interval(const SavePolicy& policy, const Costs& costs) noexcept {
  if (policy.fixed_interval) return *policy.fixed_interval;
  const double rarest = std::min(longest_interval_seconds, policy.block_seconds / 2);
  const double until_durable = costs.stage + costs.drain + costs.publish;
  if (costs.stage <= 0) return std::max(rarest, until_durable);   // the first save measures what a save costs
  const double young = std::sqrt(2 * costs.stage * policy.mean_time_between_failures);
  const double cheap = std::max({young, costs.stage / stall_share, shortest_interval_seconds});
  return std::max(std::min(cheap, rarest), until_durable);
}

std::optional<double> shortfall_seconds(double block_seconds, const Costs& costs) noexcept {
  const double missing = costs.lead() - (block_seconds - safety_margin(block_seconds));
  if (missing > 0) return missing;
  return std::nullopt;
}

}  // namespace ckpt::engine
