// SPDX-License-Identifier: Apache-2.0
// ckpt stop, ckpt save: a request to whoever runs the run now.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "rundir/run_record.hpp"
#include "tools/find_run.hpp"
#include "tools/run_view.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr double poll_seconds = 0.1;

RunView view_running(io::FileSystem& fs, const RequestOptions& options, const char* verb) {
  RunView view = view_run(fs, choose_run(fs, options.run));
  require_own_run(fs, view, options.allow_other_owner);
  if (!view.may_be_running()) {
    fail(CKPT_ERR_NOT_FOUND, "nobody runs {} now ({}): there is nothing to {}", view.name, name(view.state), verb);
  }
  if (view.state == RunState::owner_unknown) log_info("{} cannot be seen from here; asking all the same", view.reason);
  return view;
}

// Listed, and its name synced: nothing is called durable before it is.
const rundir::CatalogEntry* newer_durable(io::FileSystem& fs, const RunView& now, const RunView& before) {
  if (now.snapshots.empty()) return nullptr;
  const rundir::CatalogEntry& newest = now.snapshots.front();
  if (!before.snapshots.empty() && newest.id <= before.snapshots.front().id) return nullptr;
  io::sync_directory(fs, now.layout.snapshots());
  return &newest;
}

int tell_saved(const RunView& view, const std::string& request, Format format) {
  const rundir::CatalogEntry& newest = view.snapshots.front();
  if (format == Format::json) {
    print_json({{"run", view.name}, {"request", request}, {"saved", true}, {"snapshot", newest_snapshot_json(view)}});
  } else {
    fmt::print("saved  step {} of block {}, {}: {}\n", newest.id.step, newest.id.block, format_size(newest.size_bytes),
               printable(newest.path));
  }
  return 0;
}

int tell_not_saved(const RunView& view, const std::string& request, const std::string& why, Format format) {
  if (format == Format::json) print_json({{"run", view.name}, {"request", request}, {"saved", false}, {"reason", why}});
  else log_error("{}: {}", view.name, why);
  return exit_no;
}

int wait_for_snapshot(io::FileSystem& fs, const RunView& before, const std::string& request, double timeout_seconds,
                      Format format) {
  Clock& clock = system_clock();
  const double deadline = clock.monotonic_seconds() + timeout_seconds;
  const std::string error_before = text_in(before.status, "save_error");
  for (;;) {
    const RunView now = view_run(fs, before.layout);
    if (newer_durable(fs, now, before)) return tell_saved(now, request, format);
    const std::string error = text_in(now.status, "save_error");
    if (!error.empty() && error != error_before) return tell_not_saved(now, request, "the save failed: " + error, format);
    if (!now.may_be_running()) {
      return tell_not_saved(now, request, fmt::format("it ended without a newer snapshot ({})", name(now.state)), format);
    }
    if (clock.monotonic_seconds() >= deadline) {
      return tell_not_saved(now, request, fmt::format("no newer snapshot within {}; the request stands, and the next "
                                                      "safe point takes it", format_duration(timeout_seconds)), format);
    }
    clock.sleep_seconds(poll_seconds);
  }
}

}  // namespace

int request_stop(const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_running(fs, options, "stop");
  const std::string request = send_request(fs, view.layout, rundir::RequestKind::stop, view.permissions);
  if (format == Format::json) print_json({{"run", view.name}, {"request", request}});
  else fmt::print("asked {} to stop: it saves at its next safe point and ends\n", printable(view.name));
  return 0;
}

int request_save(const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_running(fs, options, "save");
  if (!rundir::Blocks(fs, view.layout, view.permissions).links_libckpt()) {
    fail(CKPT_ERR_NOT_FOUND, "the program of {} has not opened the run: it does not use libckpt, or starts just now",
         view.name);
  }
  const std::string request = send_request(fs, view.layout, rundir::RequestKind::save, view.permissions);
  if (options.timeout_seconds > 0) return wait_for_snapshot(fs, view, request, options.timeout_seconds, format);
  if (format == Format::json) print_json({{"run", view.name}, {"request", request}});
  else fmt::print("asked {} to save at its next safe point\n", printable(view.name));
  return 0;
}

}  // namespace ckpt::tools
