// SPDX-License-Identifier: Apache-2.0
// ckpt verify: every byte of every snapshot.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/quantity.hpp"
#include "checkpoints/choose.hpp"
#include "checkpoints/judgement.hpp"
#include "snapshot/reader.hpp"
#include "tools/checkpoint_view.hpp"
#include "tools/find_run.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/run_view.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

struct Candidate {
  std::string path;
  bool may_vanish = false;   // listed in a run that may be pruning
};

enum class Result { whole, damaged, unreadable, unknown };   // unknown: its format does not tell

const char* name(Result result) {
  switch (result) {
    case Result::whole: return "whole";
    case Result::damaged: return "damaged";
    case Result::unreadable: return "unreadable";
    case Result::unknown: return "unknown";
  }
  return "";
}

struct Checked {
  std::string path;
  Result result = Result::whole;
  std::string reason = {};
  std::uint64_t state_bytes = 0;
  std::string format = "libckpt";
};

// What the program keeps by itself, as the start of a block would judge it. A run that had some and has none would not start; a
// complete one needs none any more.
void check_own(io::FileSystem& fs, const RunView& view, std::vector<Checked>& all) {
  const rundir::Layout& layout = view.layout;
  const auto [own, seen] = view_checkpoints(fs, layout);
  if (own.empty() && !seen.empty() && view.state != RunState::complete)
    all.push_back({layout.directory(), Result::damaged,
                   fmt::format("{}: its program had checkpoints and none is left", layout.directory())});
  for (const checkpoints::Candidate& candidate : own) {
    const checkpoints::Judged judged = checkpoints::Judgement(fs, candidate, std::nullopt).wait();
    const auto state = judged.finding.state;
    const bool is_broken = state == checkpoints::Wholeness::broken;
    const std::string why = is_broken ? judged.finding.reason : checkpoints::changed_since(judged.version, seen);
    const Result result = !why.empty()                                ? Result::damaged
                          : state == checkpoints::Wholeness::unknown ? Result::unknown
                                                                      : Result::whole;
    all.push_back({candidate.path, result, why.empty() ? "" : fmt::format("{}: {}", candidate.path, why), candidate.bytes,
                   judged.finding.format});
  }
}

// A run that had snapshots and has none is itself damage: there is nothing left to restore.
void add_run(io::FileSystem& fs, const std::string& given, std::vector<Candidate>& candidates,
             std::vector<Checked>& checked) {
  const RunView view = view_run(fs, choose_run(fs, given));
  const rundir::Catalog catalog(fs, view.layout, view.permissions);
  if (view.snapshots.empty() && catalog.ever_had_snapshots()) {
    checked.push_back({view.layout.directory(), Result::damaged, "it had snapshots and none is left"});
  }
  std::set<std::uint64_t> inodes;
  for (const auto& entry : view.snapshots) {
    io::FileInfo info;
    if (fs.info(entry.path, info) == 0) inodes.insert(info.inode);
    candidates.push_back({entry.path, true});
  }
  for (const auto& kept : catalog.kept()) {
    if (inodes.insert(kept.inode).second) candidates.push_back({kept.path, true});
  }
  check_own(fs, view, checked);
}

// nullopt: pruned since it was listed.
std::optional<Checked> check(io::FileSystem& fs, const Candidate& candidate) {
  Checked checked{candidate.path};
  ProgressBar bar(candidate.path);
  try {
    snapshot::Reader reader(fs, candidate.path);
    checked.state_bytes = reader.state_bytes();
    reader.verify(usable_threads(), [&](std::uint64_t done) { bar.show(done, checked.state_bytes); });
  } catch (const Error& error) {
    if (error.status() == CKPT_ERR_NOT_FOUND && candidate.may_vanish) return std::nullopt;
    checked.result = error.status() == CKPT_ERR_DAMAGED ? Result::damaged : Result::unreadable;
    checked.reason = error.what();
  }
  return checked;
}

Tone tone(Result result) {
  return result == Result::whole ? Tone::good : result == Result::unknown ? Tone::warning : Tone::bad;
}

std::string about(const Checked& checked) {
  if (!checked.reason.empty()) return checked.reason;
  return fmt::format("{}, {}{}", checked.path, format_size(checked.state_bytes),
                     checked.result == Result::unknown ? ", of a format that does not tell" : "");
}

void print_text(const std::vector<Checked>& all) {
  for (const Checked& checked : all) {
    const char* const indent = checked.result == Result::whole ? "  " : "";
    fmt::print("{}{}  {}\n", paint(tone(checked.result), name(checked.result)), indent, printable(about(checked)));
  }
  if (all.empty()) fmt::print("nothing to verify\n");
}

void print_as_json(const std::vector<Checked>& all) {
  Json files = Json::array();
  for (const Checked& checked : all) {
    files.push_back({{"file", checked.path}, {"result", name(checked.result)}, {"reason", checked.reason},
                     {"state_bytes", checked.state_bytes}, {"format", checked.format}});
  }
  const auto damaged = std::ranges::count(all, Result::damaged, &Checked::result);
  const auto unreadable = std::ranges::count(all, Result::unreadable, &Checked::result);
  print_json({{"files", files}, {"damaged", damaged}, {"unreadable", unreadable}});
}

}  // namespace

int verify(const std::vector<std::string>& what, Format format) {
  io::FileSystem& fs = io::file_system();
  std::vector<Candidate> candidates;
  std::vector<Checked> all;
  for (const std::string& one : what.empty() ? std::vector<std::string>{""} : what) {
    if (names_a_snapshot(fs, one)) candidates.push_back({find_snapshot(fs, one), false});
    else add_run(fs, one, candidates, all);
  }
  for (const Candidate& candidate : candidates) {
    if (auto checked = check(fs, candidate)) all.push_back(std::move(*checked));
  }
  if (format == Format::json) print_as_json(all);
  else print_text(all);
  const auto any = [&](Result result) { return std::ranges::find(all, result, &Checked::result) != all.end(); };
  if (any(Result::damaged)) return exit_no;
  return any(Result::unreadable) ? exit_error : 0;
}

}  // namespace ckpt::tools
