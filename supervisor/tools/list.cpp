// SPDX-License-Identifier: Apache-2.0
// ckpt ls: the runs of a directory, or the snapshots of a run.
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "tools/find_run.hpp"
#include "tools/run_view.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

std::string step_text(const RunView& view) { return view.step() ? fmt::format("{}", *view.step()) : "-"; }

Json run_json(io::FileSystem& fs, const RunView& view) {
  return {{"name", view.name},
          {"directory", view.layout.directory()},
          {"state", name(view.state)},
          {"reason", view.reason},
          {"block", view.ownership.newest_block},
          {"step", or_null(view.step())},
          {"progress", to_json(view.progress)},
          {"snapshots", view.snapshots.size()},
          {"newest", newest_snapshot_json(view)},
          {"bytes", bytes_on_disk(fs, view)}};
}

void add_row(io::FileSystem& fs, const RunView& view, Table& table) {
  const bool any = !view.snapshots.empty();
  table.add({Cell(view.name, Tone::bold), Cell(name(view.state), tone(view.state)),
             fmt::format("{}", view.ownership.newest_block), step_text(view), describe(view.progress),
             any ? fmt::format("step {}", view.snapshots.front().id.step) : "-",
             any ? age(view.snapshots.front().modified) : "-", format_size(bytes_on_disk(fs, view))});
}

int list_runs(io::FileSystem& fs, const std::string& directory, Format format) {
  Table table({{"run"}, {"state"}, {"block", Align::right}, {"step", Align::right}, {"progress"}, {"newest snapshot"},
               {"written", Align::right}, {"size", Align::right}});
  Json runs = Json::array();
  for (const std::string& path : find_runs(fs, directory)) {
    try {   // one that cannot be read must not hide the others
      RunView view = view_run(fs, rundir::Layout(directory + '/' + path));
      view.name = path;
      if (format == Format::json) runs.push_back(run_json(fs, view));
      else add_row(fs, view, table);
    } catch (const Error& error) {
      log_warning("'{}' is left out: {}", path, error.what());
    }
  }
  if (format == Format::json) print_json({{"directory", directory}, {"runs", runs}});
  else if (table.empty()) fmt::print("no runs in {}\n", directory);
  else table.print();
  return 0;
}

struct Listing {   // everything in a run that holds state
  RunView view;
  std::vector<rundir::KeptEntry> kept;
  std::vector<std::string> damaged;
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
  for (const auto& kept : listing.kept) {
    table.add({"kept/" + kept.name + ".h5", "", "", format_size(kept.size_bytes), age(kept.modified),
               Cell("kept", Tone::good)});
  }
  for (const std::string& file : listing.damaged) {
    table.add({file, "", "", format_size(size_of(fs, listing.view.layout.snapshots() + '/' + file)), "",
               Cell("damaged", Tone::bad)});
  }
  if (table.empty()) fmt::print("no snapshots in {}\n", listing.view.layout.directory());
  else table.print();
}

Json to_json(io::FileSystem& fs, const Listing& listing) {
  Json snapshots = Json::array(), kept = Json::array(), damaged = Json::array();
  for (const auto& entry : listing.view.snapshots) {
    snapshots.push_back({{"file", entry.path}, {"step", entry.id.step}, {"block", entry.id.block},
                         {"bytes", entry.size_bytes}, {"written", format_time(entry.modified)}});
  }
  for (const auto& entry : listing.kept) {
    kept.push_back({{"name", entry.name}, {"file", entry.path}, {"bytes", entry.size_bytes},
                    {"written", format_time(entry.modified)}});
  }
  for (const std::string& file : listing.damaged) {
    const std::string path = listing.view.layout.snapshots() + '/' + file;
    damaged.push_back({{"file", path}, {"bytes", size_of(fs, path)}});
  }
  return {{"run", listing.view.name}, {"directory", listing.view.layout.directory()}, {"snapshots", snapshots},
          {"kept", kept}, {"damaged", damaged}};
}

int list_snapshots(io::FileSystem& fs, const rundir::Layout& layout, Format format) {
  Listing listing{view_run(fs, layout), {}, {}};
  const rundir::Catalog catalog(fs, layout, listing.view.permissions);
  listing.kept = catalog.kept();
  listing.damaged = catalog.damaged();
  if (format == Format::json) print_json(to_json(fs, listing));
  else print_table(fs, listing);
  return 0;
}

bool is_directory(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 && info.kind == io::FileKind::directory;
}

}  // namespace

int list(const std::string& where, Format format) {
  io::FileSystem& fs = io::file_system();
  const bool here = where.empty() && !is_run(fs, ".");
  if (here && is_directory(fs, folder_of_runs())) return list_runs(fs, folder_of_runs(), format);
  const bool folder = is_directory(fs, where) && !is_run(fs, where);
  if (folder && !is_run(fs, folder_of_runs() + '/' + where)) return list_runs(fs, where, format);
  return list_snapshots(fs, choose_run(fs, where), format);
}

}  // namespace ckpt::tools
