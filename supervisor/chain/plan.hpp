// SPDX-License-Identifier: Apache-2.0
// How many blocks a training needs: pure arithmetic on seconds.
//
//   lead       margin + time between safe points + stage + drain + publish: engine/policy's stop comes so early
//   usable     limit - start-up - restore - lead
//   per block  safe points within an epoch: usable / epoch, parts of epochs count
//              safe points are epochs: the epoch that runs when the stop time comes is finished (its time is in the
//              lead), so usable / epoch, rounded up
//   blocks     left / per block, rounded up, and some slack: what is not needed is cancelled in the end
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "engine/policy.hpp"

namespace ckpt::supervisor {

constexpr std::uint64_t any_number_of_blocks = std::numeric_limits<std::uint64_t>::max();

struct PlanFacts {
  double limit_seconds = engine::no_limit;  // of a block
  std::string unit = "epoch";
  double units_left = 0;
  double unit_seconds = 0;
  double startup_seconds = 0;  // start of the block to its first safe point, without the restore
  double restore_seconds = 0;
  engine::Costs costs;                        // between_points 0: not known, so safe points are taken to be epochs
  bool starts_fresh = true;                   // the first block restores nothing
  std::uint64_t state_bytes = 0;              // 0: not known; the staging area takes as much again
  std::uint64_t file_bytes = 0;               // of one snapshot; 0: as large as the state
  std::size_t keep = 2;                       // snapshots
  std::optional<std::uint64_t> slack_blocks;  // else a tenth of the blocks, at least one
  std::uint64_t most_blocks = any_number_of_blocks;  // that one array may have
};

enum class Rule { whole_units, parts_of_units };

struct Plan {
  std::string refusal;  // one line with the arithmetic; empty: the rest holds
  Rule rule = Rule::whole_units;
  engine::Costs costs;  // with the between_points that was planned with
  double margin_seconds = 0;
  double lead_seconds = 0;
  double usable_seconds = 0;
  double units_per_block = 0;
  std::uint64_t blocks_needed = 0;
  std::uint64_t slack_blocks = 0;
  double block_seconds = 0;    // that a full block runs; it ends by itself then
  double wall_seconds = 0;     // of the needed blocks; waiting in the queue comes on top
  double restart_seconds = 0;  // of a block: start-up, restore, last save
  double restart_share = 0;    // of its time, 0 to 1
  double save_interval_seconds = 0;
  double stall_share = 0;          // of the time, by saves
  std::uint64_t disk_bytes = 0;    // (keep + 1) snapshots; 0: not known
  std::uint64_t memory_bytes = 0;  // state and staging area; 0: not known

  std::uint64_t blocks() const noexcept { return blocks_needed + slack_blocks; }
};

Plan make_plan(const PlanFacts& facts);

// When the scheduler's warning signal should come, in whole seconds before the end. The block's own clock is to come
// first: a signal asks for a stop even where one more step would be free. The controller looks every 30 seconds.
unsigned warning_seconds(double limit_seconds, double lead_seconds) noexcept;

}  // namespace ckpt::supervisor
