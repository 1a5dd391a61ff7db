// SPDX-License-Identifier: Apache-2.0
// ckpt status: a run now.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/quantity.hpp"
#include "tools/block_view.hpp"
#include "tools/find_run.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

struct Now {
  RunView run;
  std::optional<BlockView> block;
  std::optional<double> seconds_to_end, stop_in_seconds;
  std::string save_error;
};

std::optional<double> later(std::optional<double> seconds, double passed) {
  if (!seconds) return std::nullopt;
  return std::max(0.0, *seconds - passed);
}

Now look(io::FileSystem& fs, const rundir::Layout& layout) {
  Now now{view_run(fs, layout), {}, {}, {}, {}};
  if (!now.run.claim) return now;
  const rundir::Claim& claim = *now.run.claim;
  now.block = view_block(fs, now.run, {claim, rundir::Blocks(fs, layout, now.run.permissions).read_attachments(claim.block),
                                       now.run.end});
  now.save_error = text_in(now.run.status, "save_error");
  if (now.save_error.empty()) now.save_error = now.block->save_error;
  if (!now.run.may_be_running()) return now;
  now.stop_in_seconds = later(number_in(now.run.status, "stop_in_seconds"), now.run.status_age_seconds);
  now.seconds_to_end = later(number_in(now.run.status, "seconds_to_end"), now.run.status_age_seconds);
  if (!now.seconds_to_end && claim.block_seconds > 0) {
    now.seconds_to_end = std::max(0.0, claim.claimed + claim.block_seconds - system_clock().wall_seconds());
  }
  return now;
}

std::string snapshot_text(const RunView& run) {
  if (run.snapshots.empty()) return "none";
  const rundir::CatalogEntry& newest = run.snapshots.front();
  return fmt::format("step {} of block {}, {}, {}", newest.id.step, newest.id.block, age(newest.modified),
                     format_size(newest.size_bytes));
}

std::string time_left_text(const Now& now) {
  const std::string end = now.seconds_to_end ? "the block ends in " + format_duration(*now.seconds_to_end) : "no limit";
  return now.stop_in_seconds ? fmt::format("stops in {}; {}", format_duration(*now.stop_in_seconds), end) : end;
}

void print_text(const Now& now) {
  const RunView& run = now.run;
  fmt::print("{}  {}{}\n\n", paint(Tone::bold, printable(run.name)), paint(tone(run.state), name(run.state)),
             run.reason.empty() ? "" : ": " + printable(run.reason));
  Table table({{""}, {""}});
  table.add({"directory", run.layout.directory()});
  if (now.block) table.add({"block", fmt::format("{}, since {}", run.claim->block, local_time(run.claim->claimed))});
  table.add({"progress", describe(run.progress)});
  table.add({"step", run.step() ? fmt::format("{}", *run.step()) : "-"});
  if (run.may_be_running()) table.add({"time left", time_left_text(now)});
  table.add({"snapshot", snapshot_text(run)});
  if (now.block && now.block->snapshots > 0) {
    table.add({"stall", fmt::format("{} in {} save{} of this block", format_duration(now.block->stall_seconds),
                                    now.block->snapshots, now.block->snapshots == 1 ? "" : "s")});
  }
  if (!now.save_error.empty()) table.add({"last save", Cell("failed: " + now.save_error, Tone::bad)});
  table.print();
}

Json to_json(const Now& now) {
  const RunView& run = now.run;
  return {{"run", run.name},
          {"directory", run.layout.directory()},
          {"state", name(run.state)},
          {"reason", run.reason},
          {"block", run.ownership.newest_block},
          {"step", or_null(run.step())},
          {"progress", to_json(run.progress)},
          {"stop_in_seconds", or_null(now.stop_in_seconds)},
          {"seconds_to_end", or_null(now.seconds_to_end)},
          {"snapshot", newest_snapshot_json(run)},
          {"stall_seconds", now.block ? Json(now.block->stall_seconds) : Json()},
          {"save_error", now.save_error.empty() ? Json() : Json(now.save_error)}};
}

}  // namespace

int status(const std::string& run, Format format) {
  io::FileSystem& fs = io::file_system();
  const Now now = look(fs, choose_run(fs, run));
  if (format == Format::json) print_json(to_json(now));
  else print_text(now);
  return 0;
}

}  // namespace ckpt::tools
