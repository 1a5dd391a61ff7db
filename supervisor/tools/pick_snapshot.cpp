// SPDX-License-Identifier: Apache-2.0
#include "tools/pick_snapshot.hpp"

#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "snapshot/reader.hpp"
#include "tools/find_run.hpp"
#include "tools/terminal.hpp"

namespace ckpt::tools {
namespace {

std::optional<PickedSnapshot> pick_kept(io::FileSystem& fs, const std::vector<rundir::KeptEntry>& kept,
                                        std::uint64_t step, std::set<std::uint64_t>& there) {
  for (const rundir::KeptEntry& entry : kept) {
    const auto its_step = step_of_file(fs, entry.path);
    if (its_step == step) return PickedSnapshot{entry.path, step};
    if (its_step) there.insert(*its_step);
  }
  return std::nullopt;
}

PickedSnapshot pick_kept(io::FileSystem& fs, const RunView& view, const std::string& name) {
  std::vector<std::string> there;
  for (const rundir::KeptEntry& entry : rundir::Catalog(fs, view.layout, view.permissions).kept()) {
    if (entry.name == name) return {entry.path, snapshot::Reader(fs, entry.path).header().step};
    there.push_back(entry.name);
  }
  if (there.empty()) fail(CKPT_ERR_NOT_FOUND, "{} keeps no snapshot as '{}', and no other", view.name, name);
  fail(CKPT_ERR_NOT_FOUND, "{} keeps no snapshot as '{}'; it keeps: {}", view.name, name, fmt::join(there, ", "));
}

PickedSnapshot pick_step(io::FileSystem& fs, const RunView& view, std::optional<std::uint64_t> step) {
  std::set<std::uint64_t> there;
  for (const rundir::CatalogEntry& entry : view.snapshots) {
    if (!step || entry.id.step == *step) return {entry.path, entry.id.step};
    there.insert(entry.id.step);
  }
  if (!step) fail(CKPT_ERR_NOT_FOUND, "{} has no snapshot", view.name);
  const auto kept = rundir::Catalog(fs, view.layout, view.permissions).kept();
  if (const auto picked = pick_kept(fs, kept, *step, there)) return *picked;
  if (there.empty()) fail(CKPT_ERR_NOT_FOUND, "{} has no snapshot of step {}, and no other", view.name, *step);
  fail(CKPT_ERR_NOT_FOUND, "{} has no snapshot of step {}; it has: {}", view.name, *step, fmt::join(there, ", "));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

PickedSnapshot pick_snapshot(io::FileSystem& fs, const RunView& view, const std::string& which) {
  if (which.empty()) return pick_step(fs, view, std::nullopt);
  return is_number(which) ? pick_step(fs, view, parse_step(which)) : pick_kept(fs, view, which);
}

std::string find_snapshot(io::FileSystem& fs, const std::string& text) {
  if (names_a_file(fs, text)) return text;
  if (!names_a_snapshot(fs, text)) return pick_snapshot(fs, view_run(fs, choose_run(fs, text)), "").path;
  const std::size_t at = text.rfind('@');
  const RunView view = view_run(fs, choose_run(fs, text.substr(0, at)));
  const std::string which = text.substr(at + 1);
  return which.empty() ? pick_kept(fs, view, which).path : pick_snapshot(fs, view, which).path;
}

bool names_a_snapshot(io::FileSystem& fs, const std::string& text) {
  return names_a_file(fs, text) || (text.find('@') != std::string::npos && !is_run(fs, text));
}

std::optional<std::uint64_t> step_of_file(io::FileSystem& fs, const std::string& path) try {
  return snapshot::Reader(fs, path).header().step;
} catch (const Error& error) {
  if (error.status() != CKPT_ERR_DAMAGED && error.status() != CKPT_ERR_NOT_FOUND) throw;
  return std::nullopt;
}

void require_whole(io::FileSystem& fs, const std::string& path) {
  snapshot::Reader reader(fs, path);
  ProgressBar bar(path);
  reader.verify(usable_threads(), [&](std::uint64_t done) { bar.show(done, reader.state_bytes()); });
}

std::uint64_t parse_step(const std::string& text) {
  std::uint64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    fail(CKPT_ERR_ARGUMENT, "'{}' is no step: a number is expected, as ckpt ls shows it", text);
  return step;
}

}  // namespace ckpt::tools
