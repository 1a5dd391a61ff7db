// SPDX-License-Identifier: Apache-2.0
// ckpt ls: the runs of a directory, or the snapshots of a run.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "tools/checkpoint_view.hpp"
#include "tools/find_run.hpp"
#include "tools/metrics.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/run_view.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

std::string step_text(const RunView& view) { return view.step() ? fmt::format("{}", *view.step()) : "-"; }

struct ListedRun {
  RunView view;
  Metrics metrics;
};

Json run_json(io::FileSystem& fs, const ListedRun& row) {
  const RunView& view = row.view;
  return {{"name", view.name},
          {"directory", view.layout.directory()},
          {"state", name(view.state)},
          {"reason", view.reason},
          {"block", view.ownership.newest_block},
          {"step", or_null(view.step())},
          {"progress", to_json(view.progress)},
          {"metrics_step", or_null(row.metrics.step)},
          {"metrics", row.metrics.values},
          {"snapshots", view.snapshots.size()},
          {"newest", newest_snapshot_json(view)},
          {"bytes", bytes_on_disk(fs, view)}};
}

std::vector<ListedRun> read_rows(io::FileSystem& fs, const std::string& directory, std::size_t& hidden) {
  std::vector<ListedRun> rows;
  for (const std::string& path : find_runs(fs, directory, &hidden)) {
    try {   // one that cannot be read must not hide the others
      ListedRun row{view_run(fs, rundir::Layout(directory + '/' + path), Look::among_many), {}};
      row.view.name = path;
      row.metrics = last_metrics(fs, row.view.layout);
      rows.push_back(std::move(row));
    } catch (const Error& error) {
      ++hidden;
      log_warning("'{}' is left out: {}", path, error.what());
    }
  }
  return rows;
}

// Names in the order in which they turn up; so many fit beside the rest.
std::vector<std::string> metric_columns(const std::vector<ListedRun>& rows) {
  constexpr std::size_t most = 5;
  std::vector<std::string> names;
  for (const ListedRun& row : rows) {
    for (const auto& [name, value] : row.metrics.values.items()) {
      if (names.size() < most && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::vector<Column> columns_of(const std::vector<std::string>& metrics) {
  std::vector<Column> columns = {{"run"}, {"state"}, {"block", Align::right}, {"step", Align::right}, {"progress"}};
  for (const std::string& name : metrics) columns.push_back({printable(name), Align::right});
  columns.insert(columns.end(), {{"newest snapshot"}, {"written", Align::right}, {"size", Align::right}});
  return columns;
}

std::vector<Cell> cells_of(io::FileSystem& fs, const ListedRun& row, const std::vector<std::string>& metrics) {
  const RunView& view = row.view;
  const bool any = !view.snapshots.empty();
  std::vector<Cell> cells = {Cell(view.name, Tone::bold), Cell(name(view.state), tone(view.state)),
                             fmt::format("{}", view.ownership.newest_block), step_text(view), describe(view.progress)};
  for (const std::string& name : metrics) {
    const auto value = row.metrics.values.find(name);
    cells.push_back(value == row.metrics.values.end() ? "-" : metric_text(*value));
  }
  cells.insert(cells.end(), {any ? fmt::format("step {}", view.snapshots.front().id.step) : "-",
                             any ? age(view.snapshots.front().modified) : "-", format_size(bytes_on_disk(fs, view))});
  return cells;
}

void print_rows(io::FileSystem& fs, const std::vector<ListedRun>& rows) {
  const auto metrics = metric_columns(rows);
  Table table(columns_of(metrics));
  for (const ListedRun& row : rows) table.add(cells_of(fs, row, metrics));
  table.print();
}

int list_runs(io::FileSystem& fs, const std::string& directory, Format format) {
  std::size_t hidden = 0;
  const std::vector<ListedRun> rows = read_rows(fs, directory, hidden);
  if (rows.empty() && hidden > 0) fail(CKPT_ERR_PERMISSION, "no run in '{}' can be read", directory);
  if (format == Format::json) {
    Json runs = Json::array();
    for (const ListedRun& row : rows) runs.push_back(run_json(fs, row));
    print_json({{"directory", directory}, {"runs", runs}});
  } else if (rows.empty()) {
    fmt::print("no runs in {}\n", directory);
  } else {
    print_rows(fs, rows);
  }
  return 0;
}

struct Kept {
  rundir::KeptEntry entry;
  std::optional<std::uint64_t> step;
};

struct Listing {   // everything in a run that holds state
  RunView view;
  std::vector<Kept> kept;
  std::vector<std::string> damaged;
  CheckpointView own;   // checkpoints of the program's own making
};

std::uint64_t size_of(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 ? info.size_bytes : 0;
}

void print_table(io::FileSystem& fs, const Listing& listing) {
  Table table({{"snapshot"}, {"step", Align::right}, {"block", Align::right}, {"size", Align::right},
               {"written", Align::right}, {""}});
  for (const auto& entry : listing.view.snapshots) {
    const bool newest = &entry == &listing.view.snapshots.front();
    table.add({rundir::snapshot_file_name(entry.id), fmt::format("{}", entry.id.step),
               fmt::format("{}", entry.id.block), format_size(entry.size_bytes), age(entry.modified),
               Cell(newest ? "newest" : "", Tone::good)});
  }
  for (const auto& [kept, step] : listing.kept) {
    table.add({"kept/" + kept.name + ".h5", step ? fmt::format("{}", *step) : "", "", format_size(kept.size_bytes),
               age(kept.modified), step ? Cell("kept", Tone::good) : Cell("damaged", Tone::bad)});
  }
  for (const std::string& file : listing.damaged) {
    table.add({file, "", "", format_size(size_of(fs, listing.view.layout.snapshots() + '/' + file)), "",
               Cell("damaged", Tone::bad)});
  }
  for (const checkpoints::Candidate& own : listing.own.listed) {
    const auto number = own.epoch ? own.epoch : own.step;
    table.add({own.path, number ? fmt::format("{}", *number) : "", "", format_size(own.bytes), age(own.modified),
               listing.own.is_newer_than_known(own) ? Cell("not known to be whole", Tone::warning)
                                                    : Cell(&own == &listing.own.newest() ? "newest" : "", Tone::good)});
  }
  if (table.empty()) fmt::print("no snapshots or checkpoints in {}\n", listing.view.layout.directory());
  else table.print();
}

Json to_json(io::FileSystem& fs, const Listing& listing) {
  Json snapshots = Json::array(), kept = Json::array(), damaged = Json::array(), checkpoints = Json::array();
  for (const auto& entry : listing.view.snapshots) {
    snapshots.push_back({{"file", entry.path}, {"step", entry.id.step}, {"block", entry.id.block},
                         {"bytes", entry.size_bytes}, {"written", format_time(entry.modified)}});
  }
  for (const auto& [entry, step] : listing.kept) {
    kept.push_back({{"name", entry.name}, {"step", or_null(step)}, {"file", entry.path}, {"bytes", entry.size_bytes},
                    {"written", format_time(entry.modified)}});
  }
  for (const std::string& file : listing.damaged) {
    const std::string path = listing.view.layout.snapshots() + '/' + file;
    damaged.push_back({{"file", path}, {"bytes", size_of(fs, path)}});
  }
  for (const checkpoints::Candidate& own : listing.own.listed) {
    checkpoints.push_back({{"file", own.path}, {"epoch", or_null(own.epoch)}, {"step", or_null(own.step)},
                           {"bytes", own.bytes}, {"written", format_time(own.modified)},
                           {"known_whole", listing.own.is_known_whole(own)}});
  }
  return {{"run", listing.view.name}, {"directory", listing.view.layout.directory()}, {"snapshots", snapshots},
          {"kept", kept}, {"damaged", damaged}, {"checkpoints", checkpoints}};
}

int list_snapshots(io::FileSystem& fs, const rundir::Layout& layout, Format format) {
  Listing listing{view_run(fs, layout), {}, {}, view_checkpoints(fs, layout)};
  const rundir::Catalog catalog(fs, layout, listing.view.permissions);
  for (const rundir::KeptEntry& entry : catalog.kept())
    listing.kept.push_back({entry, step_of_file(fs, entry.path)});
  listing.damaged = catalog.damaged();
  if (format == Format::json) print_json(to_json(fs, listing));
  else print_table(fs, listing);
  return 0;
}

}  // namespace

int list(const std::string& where, Format format) {
  io::FileSystem& fs = io::file_system();
  const std::string among_runs = where.empty() ? folder_of_runs() : folder_of_runs() + '/' + where;
  const bool names_a_run = is_run(fs, among_runs) || is_run(fs, where.empty() ? "." : where);
  for (const std::string& folder : {where, among_runs}) {   // a sweep is a folder of runs among the runs
    if (!names_a_run && io::is_directory(fs, folder)) return list_runs(fs, folder, format);
  }
  return list_snapshots(fs, choose_run(fs, where), format);
}

}  // namespace ckpt::tools
