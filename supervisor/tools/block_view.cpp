// SPDX-License-Identifier: Apache-2.0
#include "tools/block_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "rundir/ledger.hpp"
#include "tools/find_run.hpp"

namespace ckpt::tools {
namespace {

using Lines = std::vector<nlohmann::json>;

Lines read_program_ledgers(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block,
                           const std::vector<rundir::Attachment>& attachments) {
  Lines all;
  for (const rundir::Attachment& attachment : attachments) {
    if (!attachment.linked) continue;
    Lines lines = rundir::read_ledger(fs, layout.program_ledger(block, attachment.who.pid));
    all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

void take_pace(const nlohmann::json& line, const std::string& event, BlockView& block) {
  const auto time = number_in(line, "time"), step = number_in(line, "step"), done = number_in(line, "done");
  if (!time) return;
  if (step && (event == "first_point" || event == "staged")) block.steps.add(*time, *step);
  if (done && event == "progress") block.progress.add(*time, *done);
}

void take_event(const nlohmann::json& line, BlockView& block) {
  const std::string event = text_in(line, "event");
  take_pace(line, event, block);
  if (event == "restored") block.from_step = count_in(line, "step");
  if (event == "fresh") block.fresh = true;
  if (event == "save_failed") block.save_error = text_in(line, "reason");
  if (event == "staged") {
    block.stall_seconds += number_in(line, "stall_seconds").value_or(0) + number_in(line, "wait_seconds").value_or(0);
  }
  if (event != "durable") return;
  ++block.snapshots;
  block.to_step = count_in(line, "step");
  block.save_error.clear();
}

// Of a program that only prints how far it is, ckptrun writes that down.
void take_supervisors_event(const nlohmann::json& line, BlockView& block) {
  const std::string event = text_in(line, "event");
  take_pace(line, event, block);
  if (event == "surroundings") block.changed = text_in(line, "changed");
}

double end_of(const BlockView& block, const Lines& lines, bool is_running) {
  if (block.summary.end) return block.summary.end->ended;
  if (is_running) return system_clock().wall_seconds();
  double last = block.summary.claim.claimed;
  for (const nlohmann::json& line : lines) last = std::max(last, number_in(line, "time").value_or(0));
  return last;
}

bool is_newest(const rundir::BlockSummary& summary, const RunView& run) {
  return summary.claim.block == run.ownership.newest_block;
}

}  // namespace

void Stretch::add(double time, double at) {
  if (!begun) {
    from_time = time;
    from = at;
  }
  begun = true;
  to_time = time;
  to = at;
}

BlockView view_block(io::FileSystem& fs, const RunView& run, const rundir::BlockSummary& summary) {
  BlockView block;
  block.summary = summary;
  Lines lines = read_program_ledgers(fs, run.layout, summary.claim.block, summary.attachments);
  for (const nlohmann::json& line : lines) take_event(line, block);
  if (!block.to_step) block.to_step = summary.end ? summary.end->step : block.from_step;
  if (const std::string log = run.layout.block_log(summary.claim.block); io::is_file(fs, log)) block.log = log;
  const Lines supervisor = rundir::read_ledger(fs, run.layout.ckptrun_ledger(summary.claim.block));
  for (const nlohmann::json& line : supervisor)
    take_supervisors_event(line, block);
  lines.insert(lines.end(), supervisor.begin(), supervisor.end());
  const bool is_running = is_newest(summary, run) && run.may_be_running();
  block.seconds = std::max(0.0, end_of(block, lines, is_running) - summary.claim.claimed);
  return block;
}

std::vector<BlockView> view_blocks(io::FileSystem& fs, const RunView& run) {
  std::vector<BlockView> blocks;
  const rundir::Blocks records(fs, run.layout, run.permissions);
  for (const rundir::BlockSummary& summary : records.history()) blocks.push_back(view_block(fs, run, summary));
  return blocks;
}

std::vector<BlockView> view_newest_blocks(io::FileSystem& fs, const RunView& run, std::uint64_t count) {
  std::vector<BlockView> blocks;
  const rundir::Blocks records(fs, run.layout, run.permissions);
  const std::uint64_t newest = run.ownership.newest_block;
  for (std::uint64_t block = newest > count ? newest - count + 1 : 1; block <= newest; ++block) {
    if (const auto claim = records.read_claim(block))
      blocks.push_back(view_block(fs, run, {*claim, records.read_attachments(block), records.read_end(block)}));
  }
  return blocks;
}

std::string describe_end(const rundir::BlockEnd& end) {
  const bool continued = end.outcome == rundir::Outcome::stopped;
  return fmt::format("{}: {}", continued ? "to be continued" : rundir::name(end.outcome), end.reason);
}

std::string describe_end(const BlockView& block, const RunView& run) {
  if (block.summary.end) return describe_end(*block.summary.end);
  if (is_newest(block.summary, run) && run.may_be_running()) return name(run.state);
  return "interrupted: it left no word";
}

std::optional<Progress> progress_in(const nlohmann::json& object) {
  const auto done = number_in(object, "done");
  if (!done) return std::nullopt;
  return Progress{*done, number_in(object, "total").value_or(0), text_in(object, "unit")};
}

namespace {

std::optional<Progress> progress_of(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  std::optional<Progress> progress;
  const auto attachments = rundir::Blocks(fs, layout, {}).read_attachments(block);
  Lines lines = rundir::read_ledger(fs, layout.ckptrun_ledger(block));
  for (nlohmann::json& line : read_program_ledgers(fs, layout, block, attachments)) lines.push_back(std::move(line));
  for (const nlohmann::json& line : lines) {
    const std::string event = text_in(line, "event");
    if (auto at_the_end = progress_in(object_in(line, "reached"))) progress = at_the_end;
    if (event == "progress") progress = progress_in(line);
    if (const auto done = number_in(line, "done"); done && progress && event == "staged") progress->done = *done;   // at each save, too
  }
  return progress;
}

}  // namespace

std::optional<Progress> last_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  constexpr std::uint64_t silent_blocks = 8;   // one that found the work done tells nothing, nor does one that has just begun
  for (std::uint64_t back = 0; back < silent_blocks && back < block; ++back)
    if (auto progress = progress_of(fs, layout, block - back)) return progress;
  return std::nullopt;
}

}  // namespace ckpt::tools
