// SPDX-License-Identifier: Apache-2.0
#include "rundir/catalog.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "io/publish.hpp"
#include "rundir/listing.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::string_view damaged_mark = ".damaged-b";
constexpr double abandoned_after_seconds = 3600;

bool is_newer(const CatalogEntry& one, const CatalogEntry& other) { return one.id > other.id; }

// nullopt: a file was pruned while we looked, so that the names are out of date. `last_try` leaves it out instead.
std::optional<std::vector<CatalogEntry>> look_at_snapshots(io::FileSystem& fs, const Layout& layout, bool last_try) {
  std::vector<CatalogEntry> entries;
  for (const std::string& name : list_names(fs, layout.snapshots())) {
    const auto id = parse_snapshot_file_name(name);
    if (!id) continue;
    const std::string path = layout.snapshot(*id);
    const auto info = info_if_there(fs, path);
    if (!info && !last_try) return std::nullopt;
    if (info && info->kind == io::FileKind::file) entries.push_back({*id, path, info->size_bytes, info->modified});
  }
  std::sort(entries.begin(), entries.end(), is_newer);
  return entries;
}

// Failures are logged; a file that is already gone counts as removed.
bool remove_or_log(io::FileSystem& fs, const std::string& path) {
  const int error = fs.remove(path);
  if (error == 0 || is_gone(error)) return true;
  log_warning("cannot remove '{}', which is needed no more: {}", path, errno_text(error));
  return false;
}

bool is_abandoned(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 && system_clock().wall_seconds() - info.modified > abandoned_after_seconds;
}

}  // namespace

Catalog::Catalog(io::FileSystem& fs, Layout layout, Permissions permissions)
    : fs_(fs), layout_(std::move(layout)), permissions_(permissions) {}

std::vector<CatalogEntry> Catalog::list() const {
  for (int attempt = 1; attempt < 5; ++attempt) {
    if (auto entries = look_at_snapshots(fs_, layout_, false)) return *entries;
  }
  return *look_at_snapshots(fs_, layout_, true);
}

std::vector<std::string> Catalog::damaged() const {
  std::vector<std::string> names = list_names(fs_, layout_.snapshots());
  std::erase_if(names, [](const std::string& name) { return name.find(damaged_mark) == std::string::npos; });
  std::sort(names.begin(), names.end());
  return names;
}

bool Catalog::ever_had_snapshots() const {
  return info_if_there(fs_, layout_.has_snapshots()) || !list().empty() || !damaged().empty();
}

void Catalog::mark_has_snapshots() {
  if (marked_) return;
  if (info_if_there(fs_, layout_.has_snapshots())) {
    io::sync_directory(fs_, layout_.directory());   // whoever made it may have died before this
  } else {
    io::create_once(fs_, layout_.has_snapshots(), "this run has had durable snapshots\n", permissions_.file);
  }
  marked_ = true;
}

void Catalog::touch_marks() noexcept try {
  static_cast<void>(fs_.touch(layout_.run_json()));
  static_cast<void>(fs_.touch(layout_.has_snapshots()));
  for (const CatalogEntry& entry : list()) static_cast<void>(fs_.touch(entry.path));
  for (const KeptEntry& entry : kept()) static_cast<void>(fs_.touch(entry.path));
} catch (const std::exception&) {   // the next block tries again
}

std::size_t Catalog::prune(std::size_t keep, const std::vector<SnapshotId>& protect) try {
  const std::vector<CatalogEntry> entries = list();
  std::vector<std::string> surplus;
  for (std::size_t i = std::max<std::size_t>(keep, 1); i < entries.size(); ++i) {
    if (std::find(protect.begin(), protect.end(), entries[i].id) == protect.end()) surplus.push_back(entries[i].path);
  }
  if (surplus.empty()) return 0;
  // The names that stay must outlive a power loss before the others go.
  io::sync_directory(fs_, layout_.snapshots());
  std::size_t removed = 0;
  for (auto oldest = surplus.rbegin(); oldest != surplus.rend(); ++oldest) removed += remove_or_log(fs_, *oldest);
  io::sync_directory(fs_, layout_.snapshots());
  return removed;
} catch (const Error& error) {
  log_warning("older snapshots stay for now: {}", error.what());
  return 0;
}

std::string Catalog::quarantine(const CatalogEntry& entry, std::uint64_t block) {
  const std::string first = fmt::format("{}{}{:04}", entry.path, damaged_mark, block);
  std::string name = first;
  int error = fs_.rename_new(entry.path, name);
  for (int number = 2; error == EEXIST && number < 1000; ++number) {
    name = fmt::format("{}-{}", first, number);
    error = fs_.rename_new(entry.path, name);
  }
  if (is_gone(error)) return "";
  if (error != 0) fail_io(error, "cannot put the damaged snapshot '{}' aside", entry.path);
  io::sync_directory(fs_, layout_.snapshots());
  return name;
}

std::size_t Catalog::remove_temporaries(const std::function<bool(const std::string& file_name)>& is_mine) try {
  std::size_t removed = 0;
  for (const std::string& name : list_temporaries(fs_, layout_.snapshots())) {
    if (!is_mine || !is_mine(name)) removed += remove_or_log(fs_, layout_.snapshots() + '/' + name);
  }
  for (const std::string& folder : {layout_.directory(), layout_.blocks(), layout_.kept(), layout_.control()}) {
    for (const std::string& name : list_temporaries(fs_, folder)) {
      const std::string path = folder + '/' + name;
      if (is_abandoned(fs_, path)) removed += remove_or_log(fs_, path);
    }
  }
  return removed;
} catch (const Error& error) {
  log_warning("temporary files of earlier blocks stay for now: {}", error.what());
  return 0;
}

}  // namespace ckpt::rundir
