// SPDX-License-Identifier: Apache-2.0
// ckpt keep: a snapshot outside retention, under a name. Needs no claim: a second link harms nobody.
#include <fmt/format.h>

#include "base/error.hpp"
#include "io/publish.hpp"
#include "snapshot/reader.hpp"
#include "tools/find_run.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

// RUN/snapshots/step-….h5
rundir::Layout run_of_file(const std::string& file) {
  const std::string path = rundir::Layout(file).directory();   // absolute
  const auto id = rundir::parse_snapshot_file_name(io::base_name(path));
  const std::string folder = io::parent_directory(path);
  if (!id || io::base_name(folder) != "snapshots")
    fail(CKPT_ERR_ARGUMENT, "'{}' is no snapshot of a run: a file RUN/snapshots/step-….h5, or a step, is expected", file);
  return rundir::Layout(io::parent_directory(folder));
}

// As its name says, which a rollback gives; one that is only kept has another name.
rundir::SnapshotId id_of(io::FileSystem& fs, const std::string& file) {
  if (const auto id = rundir::parse_snapshot_file_name(io::base_name(file))) return *id;
  const snapshot::Reader reader(fs, file);
  return {reader.header().block, reader.header().step};
}

}  // namespace

int keep(const std::string& what, const std::string& name, const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const bool is_path = io::is_file(fs, what);
  const RunView view = view_run(fs, is_path ? run_of_file(what) : choose_run(fs, options.run));
  require_own_run(fs, view, options.allow_other_owner);
  if (!is_path) static_cast<void>(parse_step(what));   // not a name: that would keep what is kept
  const std::string file = is_path ? rundir::Layout(what).directory() : pick_snapshot(fs, view, what).path;
  require_whole(fs, file);
  const rundir::SnapshotId id = id_of(fs, file);
  rundir::Catalog(fs, view.layout, view.permissions).keep_file(file, name);
  const std::string kept = view.layout.kept_snapshot(name);
  if (format == Format::json)
    print_json({{"run", view.name}, {"step", id.step}, {"block", id.block}, {"name", name}, {"file", kept}});
  else
    fmt::print("kept  step {} of {} as {}: {}\n", id.step, printable(view.name), printable(name), printable(kept));
  return 0;
}

}  // namespace ckpt::tools
