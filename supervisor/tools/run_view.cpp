// SPDX-License-Identifier: Apache-2.0
#include "tools/run_view.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"
#include "base/working_directory.hpp"
#include "rundir/ledger.hpp"
#include "rundir/run_record.hpp"
#include "rundir/submissions.hpp"
#include "tools/block_view.hpp"
#include "tools/find_run.hpp"

namespace ckpt::tools {
namespace {

double modified(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 ? info.modified : 0;
}

// The last word of the newest block's ckptrun about what comes next.
nlohmann::json last_decision(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  nlohmann::json decision = nlohmann::json::object();
  for (const nlohmann::json& line : rundir::read_ledger(fs, layout.ckptrun_ledger(block))) {
    if (text_in(line, "event") == "decision") decision = line;
  }
  return decision;
}

void judge_ended(io::FileSystem& fs, RunView& view) {
  const nlohmann::json decision = last_decision(fs, view.layout, view.ownership.newest_block);
  const std::string action = text_in(decision, "decision");
  if (action == "stop" || action == "fail") {
    view.state = RunState::stopped;
    view.reason = text_in(decision, "reason");
  } else if (!view.end || view.end->outcome == rundir::Outcome::abandoned) {
    view.state = RunState::interrupted;
    view.reason = "it left no word: killed, or its machine failed";
  } else {
    view.state = view.end->outcome == rundir::Outcome::stopped ? RunState::to_be_continued : RunState::crashed;
    view.reason = view.end->reason;
  }
}

void judge(io::FileSystem& fs, RunView& view) {
  if (view.ownership.newest_block == 0) return;
  if (view.end && view.end->outcome == rundir::Outcome::finished) {
    view.state = RunState::complete;
    view.reason = view.end->reason;
  } else if (view.ownership.state == OwnerState::gone) {
    judge_ended(fs, view);
  } else {
    view.state = view.ownership.state == OwnerState::alive ? RunState::running : RunState::owner_unknown;
    view.reason = view.ownership.owner;
  }
}

// The newest block has saved a later step than status.json, which is written every few seconds, tells of.
bool is_outdated(const RunView& view) {
  const auto told = count_in(view.status, "step");
  return told && !view.snapshots.empty() && view.snapshots.front().id.block == view.ownership.newest_block &&
         view.snapshots.front().id.step > *told;
}

void read_status(io::FileSystem& fs, RunView& view) {
  view.status = rundir::read_status(fs, view.layout).value_or(nlohmann::json::object());
  if (count_in(view.status, "block") != view.ownership.newest_block) view.status = nlohmann::json::object();
  view.status_age_seconds = system_clock().wall_seconds() - modified(fs, view.layout.status_json());
  view.progress = progress_in(object_in(view.status, "progress"));
  if (view.progress && !is_outdated(view)) return;
  const auto of_ledger = last_progress(fs, view.layout, view.ownership.newest_block);
  if (!view.progress || (of_ledger && of_ledger->done > view.progress->done)) view.progress = of_ledger;
}

}  // namespace

std::string name_of_run(const rundir::Layout& layout) {
  const std::string folder = absolute_path(folder_of_runs()) + '/';
  return layout.directory().starts_with(folder) ? layout.directory().substr(folder.size()) : layout.name();
}

const char* name(RunState state) noexcept {
  switch (state) {
    case RunState::empty: return "not started";
    case RunState::running: return "running";
    case RunState::owner_unknown: return "owner unknown";
    case RunState::complete: return "complete";
    case RunState::to_be_continued: return "to be continued";
    case RunState::crashed: return "crashed";
    case RunState::interrupted: return "interrupted";
    case RunState::stopped: return "stopped";
  }
  return "unknown";
}

Tone tone(RunState state) noexcept {
  switch (state) {
    case RunState::running:
    case RunState::complete: return Tone::good;
    case RunState::crashed:
    case RunState::stopped: return Tone::bad;
    case RunState::empty: return Tone::faint;
    default: return Tone::warning;
  }
}

std::optional<std::uint64_t> RunView::step() const {
  const auto told = count_in(status, "step");
  if (told && (snapshots.empty() || (may_be_running() && !is_outdated(*this)))) return told;
  return snapshots.empty() ? std::nullopt : std::optional(snapshots.front().id.step);
}

supervisor::slurm::Onlooker& onlooker() {
  static supervisor::slurm::Onlooker the_only_one(system_clock());
  return the_only_one;
}

RunView view_run(io::FileSystem& fs, const rundir::Layout& layout, Look look) {
  const auto owner_state = [look](const rundir::Claim& claim, const ProcessIdentity& who) {
    return look == Look::at_one ? onlooker().owner_state(claim, who) : onlooker().owner_state_among_many(claim, who);
  };
  rundir::require_run_directory(fs, layout);
  RunView view(layout);
  view.name = name_of_run(layout);
  view.permissions = rundir::permissions_of(fs, layout);
  const rundir::Blocks blocks(fs, layout, view.permissions, owner_state);
  view.ownership = blocks.ownership();
  view.claim = blocks.read_claim(view.ownership.newest_block);
  view.end = blocks.read_end(view.ownership.newest_block);
  view.snapshots = rundir::Catalog(fs, layout, view.permissions).list();
  read_status(fs, view);
  judge(fs, view);
  return view;
}

std::optional<rundir::Claim> claim_of_sent(io::FileSystem& fs, const RunView& view) {
  if (view.claim) return view.claim;
  const auto submissions = rundir::read_submissions(fs, view.layout.directory());
  if (submissions.empty() || !submissions.back().sweep_arrays.empty()) return std::nullopt;
  return supervisor::slurm::claim_of_array(submissions.back().array_id, submissions.back().cluster);
}

double last_sign_of_life(io::FileSystem& fs, const rundir::Layout& layout) {
  double newest = 0;
  for (const std::string& path : {layout.run_json(), layout.status_json(), layout.blocks(), layout.snapshots()})
    newest = std::max(newest, modified(fs, path));
  return newest;
}

std::string describe(const std::optional<Progress>& progress) {
  if (!progress) return "-";
  const std::string unit = progress->unit.empty() ? "" : progress->unit + ' ';
  if (progress->total <= 0) return fmt::format("{}{:.6g}", unit, progress->done);
  return fmt::format("{}{:.2f} of {:.6g} ({:.0f} %)", unit, progress->done, progress->total,
                     100 * progress->done / progress->total);
}

Json to_json(const std::optional<Progress>& progress) {
  if (!progress) return Json();
  return {{"done", progress->done}, {"total", progress->total}, {"unit", progress->unit}};
}

Json newest_snapshot_json(const RunView& view) {
  if (view.snapshots.empty()) return Json();
  const rundir::CatalogEntry& newest = view.snapshots.front();
  return {{"step", newest.id.step},
          {"block", newest.id.block},
          {"file", newest.path},
          {"bytes", newest.size_bytes},
          {"written", format_time(newest.modified)},
          {"age_seconds", std::max(0.0, system_clock().wall_seconds() - newest.modified)}};
}

std::uint64_t bytes_on_disk(io::FileSystem& fs, const RunView& view) {
  std::set<std::uint64_t> counted;
  std::uint64_t bytes = 0;
  for (const rundir::CatalogEntry& entry : view.snapshots) {
    io::FileInfo info;
    if (fs.info(entry.path, info) == 0 && counted.insert(info.inode).second) bytes += entry.size_bytes;
  }
  for (const rundir::KeptEntry& kept : rundir::Catalog(fs, view.layout, view.permissions).kept()) {
    if (counted.insert(kept.inode).second) bytes += kept.size_bytes;
  }
  return bytes;
}

void require_own_run(io::FileSystem& fs, const RunView& view, bool allow_other_owner) {
  io::FileInfo info;
  if (fs.info(view.layout.directory(), info) != 0 || info.owner == ::geteuid() || allow_other_owner) return;
  fail(CKPT_ERR_PERMISSION, "the run {} belongs to another user (uid {}); --allow-other-owner steers it all the same",
       view.name, info.owner);
}

}  // namespace ckpt::tools
