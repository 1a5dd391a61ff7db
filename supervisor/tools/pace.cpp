// SPDX-License-Identifier: Apache-2.0
#include "tools/pace.hpp"

#include <algorithm>
#include <cmath>

namespace ckpt::tools {
namespace {

struct Passed {
  double seconds = 0, amount = 0;
};

Passed passed(const std::vector<BlockView>& blocks, Stretch BlockView::*which) {
  Passed all;
  for (const BlockView& block : blocks) {
    const Stretch& stretch = block.*which;
    if (stretch.to <= stretch.from || stretch.to_time <= stretch.from_time) continue;
    all.seconds += stretch.to_time - stretch.from_time;
    all.amount += stretch.to - stretch.from;
  }
  return all;
}

bool in_one_chain(const std::string& one, const std::string& next, const rundir::Submission& submission) {
  if (submission.array_id == next && submission.extends == one) return true;
  const auto& arrays = submission.sweep_arrays;
  return std::ranges::count(arrays, one) > 0 && std::ranges::count(arrays, next) > 0;
}

// Nobody had to do anything for `next` to start.
bool follows(const rundir::Claim& one, const rundir::Claim& next, const std::vector<rundir::Submission>& submissions) {
  if (next.job_id.empty()) return is_same_process(one.who, next.who);
  if (one.job_id == next.job_id || (!one.array_id.empty() && one.array_id == next.array_id)) return true;
  return std::ranges::any_of(submissions, [&](const auto& s) { return in_one_chain(one.array_id, next.array_id, s); });
}

}  // namespace

Pace pace_of(const std::vector<BlockView>& blocks, const std::optional<Progress>& progress,
             std::optional<std::uint64_t> step) {
  Pace pace;
  if (const Passed steps = passed(blocks, &BlockView::steps); steps.amount > 0)
    pace.seconds_per_step = steps.seconds / steps.amount;
  if (const Passed units = passed(blocks, &BlockView::progress); units.amount >= 1)
    pace.seconds_per_unit = units.seconds / units.amount;
  if (pace.seconds_per_unit || !pace.seconds_per_step || !progress || progress->done <= 0 || step.value_or(0) == 0) return pace;
  pace.seconds_per_unit = *pace.seconds_per_step * static_cast<double>(*step) / progress->done;
  return pace;
}

Waits waits_between(const std::vector<BlockView>& blocks, const std::vector<rundir::Submission>& submissions) {
  Waits waits;
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const rundir::BlockSummary &one = blocks[i - 1].summary, &next = blocks[i].summary;
    if (!one.end || !follows(one.claim, next.claim, submissions)) continue;
    const double wait = std::max(0.0, next.claim.claimed - one.end->ended);
    waits.mean_seconds += (wait - waits.mean_seconds) / static_cast<double>(++waits.count);
  }
  return waits;
}

double start_seconds_of(const std::vector<BlockView>& blocks) {
  double sum = 0, count = 0;
  for (const BlockView& block : blocks) {
    if (!block.steps.begun) continue;
    sum += std::max(0.0, block.steps.from_time - block.summary.claim.claimed);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

std::optional<Outlook> look_ahead(const Ahead& ahead) {
  Outlook outlook{ahead.work_seconds, 0, 0, 0, ahead.work_seconds};
  const double later = ahead.work_seconds - ahead.stop_in_seconds;
  if (later <= 0) return outlook;
  const double work_of_a_block = ahead.block_seconds - ahead.start_seconds - ahead.reserve_seconds;
  if (work_of_a_block <= 0) return std::nullopt;
  const double blocks = std::isfinite(work_of_a_block) ? std::ceil(later / work_of_a_block) : 1;
  outlook.blocks = static_cast<std::size_t>(blocks);
  outlook.restart_seconds = blocks * ahead.start_seconds + (blocks - 1) * ahead.reserve_seconds;
  outlook.wait_seconds = blocks * ahead.wait_seconds;
  outlook.finish_in_seconds = ahead.seconds_to_end + later + outlook.restart_seconds + outlook.wait_seconds;
  return outlook;
}

}  // namespace ckpt::tools
