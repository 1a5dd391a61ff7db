// SPDX-License-Identifier: Apache-2.0
// ckpt show: the story of a run, block by block.
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.hpp"
#include "chain/identity.hpp"
#include "rundir/run_record.hpp"
#include "tools/block_view.hpp"
#include "tools/find_run.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

std::string step_or(const std::optional<std::uint64_t>& step, const char* otherwise) {
  return step ? fmt::format("{}", *step) : otherwise;
}

Tone tone_of_end(const BlockView& block) {
  if (!block.summary.end) return Tone::plain;
  switch (block.summary.end->outcome) {
    case rundir::Outcome::finished: return Tone::good;
    case rundir::Outcome::crashed: return Tone::bad;
    case rundir::Outcome::abandoned: return Tone::warning;
    default: return Tone::plain;
  }
}

void print_blocks(const std::vector<BlockView>& blocks, const RunView& view) {
  Table table({{"block", Align::right}, {"started"}, {"length", Align::right}, {"from step", Align::right},
               {"to step", Align::right}, {"snapshots", Align::right}, {"stall", Align::right}, {"ended"}});
  for (const BlockView& block : blocks) {
    const bool readable = block.summary.claim.who.pid != 0;
    table.add({fmt::format("{}", block.summary.claim.block),
               readable ? local_time(block.summary.claim.claimed) : "record unreadable",
               readable ? format_duration(block.seconds) : "-", step_or(block.from_step, block.fresh ? "start" : "-"),
               step_or(block.to_step, "-"), fmt::format("{}", block.snapshots),
               block.snapshots == 0 ? "-" : format_duration(block.stall_seconds),
               Cell(describe_end(block, view), tone_of_end(block))});
  }
  fmt::print("\n");
  table.print();
}

std::string snapshots_text(io::FileSystem& fs, const RunView& view) {
  if (view.snapshots.empty()) return "none";
  const rundir::CatalogEntry& newest = view.snapshots.front();
  return fmt::format("{}, {} on disk; newest: step {} of block {}, {}, {}", view.snapshots.size(),
                     format_size(bytes_on_disk(fs, view)), newest.id.step, newest.id.block,
                     format_size(newest.size_bytes), age(newest.modified));
}

// Of the newest block that has one; those of the others lie beside it.
std::string newest_log(const std::vector<BlockView>& blocks) {
  const auto has_log = [](const BlockView& block) { return !block.log.empty(); };
  const auto logged = std::find_if(blocks.rbegin(), blocks.rend(), has_log);
  return logged == blocks.rend() ? "" : logged->log;
}

void print_changes(const std::vector<BlockView>& blocks) {
  for (const BlockView& block : blocks) {
    if (block.changed.empty()) continue;
    fmt::print("\nchanged before block {}: {}\n", block.summary.claim.block, printable(block.changed));
  }
}

void print_heading(io::FileSystem& fs, const RunView& view, const std::optional<rundir::RunRecord>& record,
                   const std::string& log) {
  fmt::print("{}  {}: {}\n\n", paint(Tone::bold, printable(view.name)), paint(tone(view.state), name(view.state)),
             printable(view.reason));
  Table table({{""}, {""}});
  table.add({"directory", view.layout.directory()});
  if (record) {
    const std::string command = record->command.empty() ? "-" : supervisor::join_command(record->command);
    table.add({"command", command});
    table.add({"created", fmt::format("{} by {}", record->created, record->user)});
  }
  table.add({"progress", describe(view.progress)});
  table.add({"snapshots", snapshots_text(fs, view)});
  if (!log.empty()) table.add({"newest log", log});
  table.print();
}

Json block_json(const BlockView& block, const RunView& view) {
  const auto& claim = block.summary.claim;
  const auto& end = block.summary.end;
  return {{"block", claim.block},
          {"started", claim.who.pid == 0 ? Json() : Json(format_time(claim.claimed))},
          {"host", claim.who.host},
          {"pid", claim.who.pid},
          {"seconds", block.seconds},
          {"planned_seconds", claim.block_seconds > 0 ? Json(claim.block_seconds) : Json()},
          {"from_step", or_null(block.from_step)},
          {"to_step", or_null(block.to_step)},
          {"changed", block.changed.empty() ? Json() : Json(block.changed)},
          {"log", block.log.empty() ? Json() : Json(block.log)},
          {"snapshots", block.snapshots},
          {"stall_seconds", block.stall_seconds},
          {"outcome", end ? Json(rundir::name(end->outcome)) : Json()},
          {"reason", end ? end->reason : describe_end(block, view)},
          {"exit_code", end ? or_null(end->exit_code) : Json()},
          {"signal", end ? or_null(end->signal) : Json()}};
}

Json run_json(io::FileSystem& fs, const RunView& view, const std::optional<rundir::RunRecord>& record,
              const std::vector<BlockView>& blocks) {
  Json all = Json::array();
  for (const BlockView& block : blocks) all.push_back(block_json(block, view));
  return {{"run", view.name},
          {"directory", view.layout.directory()},
          {"state", name(view.state)},
          {"reason", view.reason},
          {"command", record ? Json(record->command) : Json()},
          {"created", record ? Json(record->created) : Json()},
          {"user", record ? Json(record->user) : Json()},
          {"progress", to_json(view.progress)},
          {"snapshots", view.snapshots.size()},
          {"newest", newest_snapshot_json(view)},
          {"bytes", bytes_on_disk(fs, view)},
          {"blocks", all}};
}

int show_run(io::FileSystem& fs, const rundir::Layout& layout, Format format) {
  const RunView view = view_run(fs, layout);
  const auto record = rundir::read_run_record(fs, layout);
  const std::vector<BlockView> blocks = view_blocks(fs, view);
  if (format == Format::json) {
    print_json(run_json(fs, view, record, blocks));
    return 0;
  }
  print_heading(fs, view, record, newest_log(blocks));
  if (!blocks.empty()) print_blocks(blocks, view);
  print_changes(blocks);
  return 0;
}

}  // namespace

int show(const std::string& what, Format format) {
  io::FileSystem& fs = io::file_system();
  if (names_a_snapshot(fs, what)) return show_snapshot(find_snapshot(fs, what), format);
  return show_run(fs, choose_run(fs, what), format);
}

}  // namespace ckpt::tools
