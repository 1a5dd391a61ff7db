// SPDX-License-Identifier: Apache-2.0
// ckpt status: a run now.
#include "tools/status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/quantity.hpp"
#include "tools/checkpoint_view.hpp"
#include "tools/find_run.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

std::string snapshot_text(const RunView& run) {
  if (run.snapshots.empty()) return "none";
  const rundir::CatalogEntry& newest = run.snapshots.front();
  return fmt::format("step {} of block {}, {}, {}", newest.id.step, newest.id.block, age(newest.modified),
                     format_size(newest.size_bytes));
}

std::string checkpoint_text(const checkpoints::Candidate& newest) {
  return fmt::format("{}, {}, {}", checkpoints::describe(newest), age(newest.modified), format_size(newest.bytes));
}

std::string progress_text(const RunView& run) {
  const auto& progress = run.progress;
  if (!progress || progress->total <= 0) return describe(progress);
  return fmt::format("{}  {}", bar(progress->done / progress->total), describe(progress));
}

std::string per(const std::optional<double>& seconds, const std::string& what) {
  if (!seconds || *seconds <= 0) return "";
  return *seconds < 1 ? fmt::format("{:.3g} {}s/s", 1 / *seconds, what)
                      : fmt::format("{} per {}", format_duration(*seconds), what);
}

std::string rate_text(const Situation& now) {
  const std::string unit = now.run.progress ? now.run.progress->unit : "";
  const std::string of_unit = unit == "step" ? "" : per(now.pace.seconds_per_unit, unit.empty() ? "unit" : unit);
  const std::string of_step = per(now.pace.seconds_per_step, "step");
  return of_unit + (of_unit.empty() || of_step.empty() ? "" : ", ") + of_step;
}

std::string time_left_text(const Situation& now) {
  const std::string end = now.seconds_to_end ? "the block ends in " + format_duration(*now.seconds_to_end) : "no limit";
  return now.stop_in_seconds ? fmt::format("stops in {}; {}", format_duration(*now.stop_in_seconds), end) : end;
}

std::string block_text(const Situation& now) {
  if (!now.run.claim) return "of which the record cannot be read";
  const std::uint64_t block = now.run.claim->block, planned_blocks = now.planned_blocks.value_or(0);
  const std::string planned = planned_blocks >= block  ? fmt::format(" of {} planned", planned_blocks)
                              : planned_blocks > 0 ? fmt::format(" ({} were planned)", planned_blocks)
                                                   : "";
  const std::string waiting = now.queue && now.queue->waiting ? fmt::format(", {} waiting", *now.queue->waiting) : "";
  return fmt::format("{}{}{}, since {}", block, planned, waiting, local_time(now.run.claim->claimed));
}

// "18 h of work, 2 more blocks, 20 min in the queue (35 waits so far: 10 min each)"
std::string arithmetic_text(const Situation& now) {
  const Outlook& ahead = *now.outlook;
  std::string text = format_duration(ahead.work_seconds) + " of work";
  if (ahead.blocks > 0) text += fmt::format(" in {}", count_of(ahead.blocks, now.run.may_be_running() ? "more block" : "block"));
  if (ahead.restart_seconds >= 1) text += fmt::format(", {} for starts", format_duration(ahead.restart_seconds));
  if (ahead.wait_seconds >= 1) {
    text += fmt::format(", {} of waiting ({} so far, {} each)", format_duration(ahead.wait_seconds),
                        count_of(now.waits.count, "wait"), format_duration(now.waits.mean_seconds));
  }
  return text;
}

std::string finish_text(const Situation& now) {
  if (!now.run.may_be_running()) return "after " + arithmetic_text(now);
  const double seconds = now.outlook->finish_in_seconds;
  return fmt::format("in about {}, {}: {}", format_duration(seconds),
                     local_time(system_clock().wall_seconds() + seconds), arithmetic_text(now));
}

std::string log_of(const Situation& now) { return now.block ? now.block->log : ""; }

Table table_of(const Situation& now) {
  const RunView& run = now.run;
  Table table({{""}, {""}});
  table.add({"directory", run.layout.directory()});
  table.add({"progress", progress_text(run)});
  table.add({"step", run.step() ? fmt::format("{}", *run.step()) : "-"});
  if (const std::string rate = rate_text(now); !rate.empty()) table.add({"rate", rate});
  if (now.outlook) table.add({"finish", finish_text(now)});
  if (now.block) table.add({"block", block_text(now)});
  else if (now.queue && now.queue->waiting.value_or(0) > 0) table.add({"block", fmt::format("none, {} waiting", *now.queue->waiting)});
  if (run.may_be_running()) table.add({"time left", time_left_text(now)});
  const CheckpointView own = view_checkpoints(io::file_system(), run.layout);
  if (own.listed.empty()) table.add({"snapshot", snapshot_text(run)});
  else table.add({"checkpoint", checkpoint_text(own.newest())});
  if (now.block && now.block->snapshots > 0) {
    table.add({"stall", fmt::format("{} in {} of this block", format_duration(now.block->stall_seconds),
                                    count_of(now.block->snapshots, "save"))});
  }
  if (!now.save_error.empty()) table.add({"last save", Cell("failed: " + now.save_error, Tone::bad)});
  if (!now.last_end.empty()) table.add({"last end", now.last_end});
  if (now.block && !now.block->changed.empty()) table.add({"changed", Cell(now.block->changed, Tone::warning)});
  if (const std::string log = log_of(now); !log.empty()) table.add({"log", log});
  table.add({"to do", advice(now)});
  return table;
}

Json outlook_json(const Situation& now) {
  if (!now.outlook) return Json();
  return {{"work_seconds", now.outlook->work_seconds},
          {"blocks", now.outlook->blocks},
          {"restart_seconds", now.outlook->restart_seconds},
          {"wait_seconds", now.outlook->wait_seconds},
          {"finish_in_seconds", now.outlook->finish_in_seconds},
          {"finish", format_time(system_clock().wall_seconds() + now.outlook->finish_in_seconds)}};
}

}  // namespace

std::vector<std::string> status_lines(const Situation& now) {
  const RunView& run = now.run;
  std::vector<std::string> lines = {fmt::format("{}  {}{}", paint(Tone::bold, printable(run.name)),
                                                paint(tone(run.state), name(run.state)),
                                                run.reason.empty() ? "" : ": " + printable(run.reason)), ""};
  std::ranges::move(table_of(now).lines(), std::back_inserter(lines));
  return lines;
}

Json status_json(const Situation& now) {
  const RunView& run = now.run;
  return {{"run", run.name},
          {"directory", run.layout.directory()},
          {"state", name(run.state)},
          {"reason", run.reason},
          {"block", run.ownership.newest_block},
          {"planned_blocks", or_null(now.planned_blocks)},
          {"waiting_blocks", now.queue ? or_null(now.queue->waiting) : Json()},
          {"array", now.queue ? Json(now.queue->array_id) : Json()},
          {"step", or_null(run.step())},
          {"progress", to_json(run.progress)},
          {"seconds_per_step", or_null(now.pace.seconds_per_step)},
          {"seconds_per_unit", or_null(now.pace.seconds_per_unit)},
          {"stop_in_seconds", or_null(now.stop_in_seconds)},
          {"seconds_to_end", or_null(now.seconds_to_end)},
          {"waits", now.waits.count},
          {"mean_wait_seconds", now.waits.count > 0 ? Json(now.waits.mean_seconds) : Json()},
          {"outlook", outlook_json(now)},
          {"snapshot", newest_snapshot_json(run)},
          {"stall_seconds", now.block ? Json(now.block->stall_seconds) : Json()},
          {"save_error", now.save_error.empty() ? Json() : Json(now.save_error)},
          {"last_end", now.last_end.empty() ? Json() : Json(now.last_end)},
          {"changed", now.block && !now.block->changed.empty() ? Json(now.block->changed) : Json()},
          {"log", log_of(now).empty() ? Json() : Json(log_of(now))},
          {"to_do", advice(now)}};
}

std::string status_line(const Situation& now) {
  const RunView& run = now.run;
  std::string line = fmt::format("{}  block {}", name(run.state), run.ownership.newest_block);
  if (run.progress && run.progress->total > 0) {
    const double percent = 100 * run.progress->done / run.progress->total;
    line += fmt::format("  {} {:.0f} of {:.6g} ({:.0f} %)", run.progress->unit, run.progress->done, run.progress->total, percent);
  }
  if (!run.snapshots.empty()) line += fmt::format("  snapshot step {}", run.snapshots.front().id.step);
  if (!now.save_error.empty()) line += "  last save failed: " + now.save_error;
  if (!run.may_be_running() && !run.reason.empty()) line += "  " + run.reason;
  return printable(line);
}

int status(const std::string& run, Format format) {
  io::FileSystem& fs = io::file_system();
  const Situation now = look_at(fs, choose_run(fs, run));
  if (format == Format::json) print_json(status_json(now));
  else for (const std::string& line : status_lines(now)) fmt::print("{}\n", line);
  return 0;
}

}  // namespace ckpt::tools
