// SPDX-License-Identifier: Apache-2.0
// ckpt keep: a snapshot outside retention, under a name. Needs no claim: a second link harms nobody.
#include <fmt/format.h>

#include "base/error.hpp"
#include "io/publish.hpp"
#include "tools/find_run.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

struct Meant {
  rundir::Layout layout;
  rundir::SnapshotId id;
};

// RUN/snapshots/step-….h5
Meant meant_by_file(const std::string& file) {
  const std::string path = rundir::Layout(file).directory();   // absolute
  const auto id = rundir::parse_snapshot_file_name(io::base_name(path));
  const std::string folder = io::parent_directory(path);
  if (!id || io::base_name(folder) != "snapshots")
    fail(CKPT_ERR_ARGUMENT, "'{}' is no snapshot of a run: a file RUN/snapshots/step-….h5, or a step, is expected", file);
  return {rundir::Layout(io::parent_directory(folder)), *id};
}

Meant meant_by_step(const RunView& view, std::uint64_t step) {
  for (const rundir::CatalogEntry& entry : view.snapshots)
    if (entry.id.step == step) return {view.layout, entry.id};
  fail(CKPT_ERR_NOT_FOUND, "{} has no snapshot of step {}; ckpt ls {} shows those it has", view.name, step, view.name);
}

}  // namespace

int keep(const std::string& what, const std::string& name, const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const bool is_path = io::is_file(fs, what);
  const Meant meant = is_path ? meant_by_file(what)
                              : meant_by_step(view_run(fs, choose_run(fs, options.run)), parse_step(what));
  const RunView view = view_run(fs, meant.layout);
  require_own_run(fs, view, options.allow_other_owner);
  require_whole(fs, view.layout.snapshot(meant.id));
  rundir::Catalog(fs, view.layout, view.permissions).keep(meant.id, name);
  const std::string kept = view.layout.kept_snapshot(name);
  if (format == Format::json)
    print_json({{"run", view.name}, {"step", meant.id.step}, {"block", meant.id.block}, {"name", name}, {"file", kept}});
  else
    fmt::print("kept  step {} of {} as {}: {}\n", meant.id.step, printable(view.name), printable(name), printable(kept));
  return 0;
}

}  // namespace ckpt::tools
