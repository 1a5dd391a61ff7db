// SPDX-License-Identifier: Apache-2.0
// ckpt stop, ckpt save: a request to whoever runs the run now.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "rundir/run_record.hpp"
#include "rundir/submissions.hpp"
#include "slurm/scheduler.hpp"
#include "slurm/submit.hpp"
#include "tools/find_run.hpp"
#include "tools/run_view.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr double poll_seconds = 0.1;
constexpr std::uint64_t blocks_asked = 10;   // older arrays are over

// A wrapped program that outlived its ckptrun: nobody there reads requests any more.
void require_listener(io::FileSystem& fs, const RunView& view) {
  if (!view.claim || view.claim->role != "ckptrun" || local_owner_state(view.claim->who) != OwnerState::gone) return;
  const auto attached = rundir::Blocks(fs, view.layout, view.permissions).read_attachments(view.claim->block);
  if (attached.empty() || std::ranges::any_of(attached, &rundir::Attachment::linked)) return;
  const ProcessIdentity& program = attached.front().who;
  fail(CKPT_ERR_NOT_FOUND, "the ckptrun of {} was killed and its program uses no libckpt: nobody takes a request; end it "
       "with: kill {} (on {})", view.name, program.pid, program.host);
}

RunView view_own(io::FileSystem& fs, const RequestOptions& options) {
  RunView view = view_run(fs, choose_run(fs, options.run));
  require_own_run(fs, view, options.allow_other_owner);
  return view;
}

void require_running(io::FileSystem& fs, const RunView& view, const char* verb) {
  if (!view.may_be_running()) {
    fail(CKPT_ERR_NOT_FOUND, "nobody runs {} now ({}): there is nothing to {}", view.name, name(view.state), verb);
  }
  require_listener(fs, view);
  if (view.state == RunState::owner_unknown) log_info("{} cannot be seen from here; asking all the same", view.reason);
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

// Waiting blocks of a chain that nobody runs now: its owner was killed, they come after this moment, or none has begun.
bool cancelled_waiting(io::FileSystem& fs, const RunView& view, Format format) {
  const auto claim = claim_of_sent(fs, view);
  const auto queue = claim ? onlooker().queue(fs, view.layout, *claim) : std::nullopt;
  if (!queue || queue->waiting.value_or(0) == 0) return false;
  const std::string why_not = onlooker().cancel_waiting(fs, view.layout, *claim);
  if (!why_not.empty()) fail(CKPT_ERR_IO, "{}: {}", view.name, why_not);
  if (format == Format::json) print_json({{"run", view.name}, {"request", nullptr}, {"cancelled_blocks", *queue->waiting}});
  else fmt::print("nobody runs {} now; cancelled what waited: {} of array {}\n", printable(view.name),
                  count_of(*queue->waiting, "block"), queue->array_id);
  return true;
}

// Arrays of this run that were sent apart from the chain that runs: its end does not end them.
std::set<std::string> arrays_beside(io::FileSystem& fs, const RunView& view) {
  std::set<std::string> arrays;
  if (!view.claim || view.claim->array_id.empty()) return arrays;
  const auto submissions = rundir::read_submissions(fs, view.layout.directory());
  for (const rundir::Submission& one : submissions) arrays.insert(one.array_id);
  const rundir::Blocks blocks(fs, view.layout, view.permissions);
  for (std::uint64_t block = view.ownership.newest_block, i = 0; block > 0 && i < blocks_asked; --block, ++i)
    if (const auto claim = blocks.read_claim(block); claim && !claim->array_id.empty()) arrays.insert(claim->array_id);
  for (const std::string& ours : supervisor::slurm::arrays_of_chain(submissions, view.claim->array_id)) arrays.erase(ours);
  return arrays;
}

std::vector<std::string> chains_waiting_beside(io::FileSystem& fs, const RunView& view) {
  std::vector<std::string> waiting;
  for (const std::string& array : arrays_beside(fs, view)) {
    const auto queue = onlooker().queue(fs, view.layout, supervisor::slurm::claim_of_array(array, view.claim->cluster));
    if (queue && queue->is_chain == true && queue->waiting.value_or(0) > 0) waiting.push_back(array);
  }
  return waiting;
}

int tell_asked_to_stop(io::FileSystem& fs, const RunView& view, const std::string& request, Format format) {
  const bool is_job = view.claim && !view.claim->job_id.empty();
  const auto others = chains_waiting_beside(fs, view);
  if (format == Format::json) {
    print_json({{"run", view.name}, {"request", request}, {"ends_chain", is_job}, {"other_arrays_waiting", others}});
    return 0;
  }
  fmt::print("asked {} to stop: it saves at its next safe point and ends{}\n", printable(view.name),
             is_job ? "; that ends the chain: blocks that wait are cancelled" : "");
  if (!others.empty())
    fmt::print("array {} of this run was sent apart from it, waits, and would go on; to cancel that: {}\n",
               fmt::join(others, ", "), supervisor::slurm::cancel_line(others));
  return 0;
}

}  // namespace

int request_stop(const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_own(fs, options);
  if (!view.may_be_running() && cancelled_waiting(fs, view, format)) return 0;
  require_running(fs, view, "stop");
  return tell_asked_to_stop(fs, view, send_request(fs, view.layout, rundir::RequestKind::stop, view.permissions), format);
}

int request_save(const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_own(fs, options);
  require_running(fs, view, "save");
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
