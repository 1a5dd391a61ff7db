// SPDX-License-Identifier: Apache-2.0
// Where the snapshots lie, or would.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {
namespace {

constexpr std::uint64_t snapshots_kept = 2;          // by default, and one more while it is written
constexpr double nearly_full = 0.9;

std::string place(const Facts& facts) {
  const std::string& type = facts.storage.mount.type;
  return type.empty() ? facts.storage.directory : fmt::format("{} ({})", facts.storage.directory, type);
}

std::string why_not_tried(const Facts& facts) {
  const int error = facts.storage.create.value_or(0);
  return fmt::format("nothing could be tried: no file could be written in {}: {}", facts.storage.directory, errno_text(error));
}

// 0: not known.
std::uint64_t bytes_still_needed(const Facts& facts) {
  if (!facts.run || facts.run->snapshot_bytes == 0) return 0;
  const std::uint64_t there = std::min<std::uint64_t>(facts.run->snapshots, snapshots_kept);
  return (snapshots_kept + 1 - there) * facts.run->snapshot_bytes;
}

Finding check_room(const std::string& subject, const Facts& facts, std::uint64_t free_bytes, const std::string& text) {
  const std::uint64_t needed = bytes_still_needed(facts);
  if (needed == 0) return good(subject, text + "; how much a run needs is known after its first snapshot (-r RUN)");
  const std::string use = fmt::format("{}; {} needs {} more", text, facts.run->name, format_size(needed));
  if (needed <= free_bytes) return good(subject, use);
  return warning(subject, use, "make room, have more granted, or keep fewer snapshots: ckptrun --keep");
}

}  // namespace

Finding check_file_system(const Facts& facts) {
  const auto& storage = facts.storage;
  if (storage.volume && storage.volume->in_memory)
    return warning("file system", place(facts) + " is memory: it is gone with the machine", "put runs on a disk: ckptrun -r PATH");
  if (storage.create.value_or(0) != 0)
    return warning("file system", fmt::format("no file can be written in {}: {}", place(facts), errno_text(*storage.create)),
                   "name a place where you may write: ckptrun -r PATH");
  if (storage.sync.value_or(0) != 0)
    return warning("file system", fmt::format("{} refuses fsync: {}", place(facts), errno_text(*storage.sync)),
                   "put runs elsewhere: there nothing is durable");
  return good("file system", place(facts));
}

Finding check_links(const Facts& facts) {
  const auto& storage = facts.storage;
  if (!storage.link || !storage.rename) return unknown("links", why_not_tried(facts));
  if (*storage.rename != 0)
    return warning("links", fmt::format("renaming onto a new name fails: {}", errno_text(*storage.rename)),
                   "put runs on another file system");
  if (*storage.link != 0)
    return good("links", fmt::format("hard links are refused ({}); exclusive creation is used instead, and what is kept by "
                                     "name is copied", errno_text(*storage.link)));
  return good("links", "hard links work");
}

Finding check_directory_sync(const Facts& facts) {
  const auto& error = facts.storage.sync_directory;
  if (!error) return unknown("fsync of directories", why_not_tried(facts));
  if (*error == 0) return good("fsync of directories", "it works");
  return good("fsync of directories", fmt::format("it is refused ({}), which is tolerated: whether a new name survives a "
                                                  "crash of the server is the server's word", errno_text(*error)));
}

Finding check_direct_writes(const Facts& facts) {
  const auto& error = facts.storage.direct;
  if (!error) return unknown("O_DIRECT", why_not_tried(facts));
  if (*error == 0) return good("O_DIRECT", "it works");
  return good("O_DIRECT", fmt::format("it is refused ({}): writing goes through the page cache", errno_text(*error)));
}

Finding check_space(const Facts& facts) {
  if (!facts.storage.volume) return unknown("space", "the file system does not tell");
  const std::uint64_t free_bytes = facts.storage.volume->free_bytes;
  return check_room("space", facts, free_bytes, fmt::format("{} free of {}", format_size(free_bytes),
                                                            format_size(facts.storage.volume->total_bytes)));
}

Finding check_quota(const Facts& facts) {
  const auto& quota = facts.storage.quota;
  if (!quota) return unknown("quota", facts.storage.quota_unknown);
  if (quota->limit_bytes == 0 && quota->limit_files == 0) return good("quota", "none for this user");
  if (quota->limit_files > 0 && static_cast<double>(quota->used_files) > nearly_full * static_cast<double>(quota->limit_files))
    return warning("quota", fmt::format("{} of {} used", quota->used_files, count_of(quota->limit_files, "file")), "remove files");
  if (quota->limit_bytes == 0) return good("quota", fmt::format("{} of {} used", quota->used_files, count_of(quota->limit_files, "file")));
  const std::uint64_t left = quota->limit_bytes - std::min(quota->limit_bytes, quota->used_bytes);
  return check_room("quota", facts, left, fmt::format("{} left of {}", format_size(left), format_size(quota->limit_bytes)));
}

Finding check_purge(const Facts&) {
  return unknown("purge policy", "no program can ask for it. Where old files are removed: each block touches what it needs; "
                 "copy results elsewhere, and start a run again before the site's term is over");
}

Finding check_file_server_clock(const Facts& facts) {
  const auto skew = facts.storage.clock_skew_seconds;
  if (!skew) return unknown("file server's clock", why_not_tried(facts));
  if (std::abs(*skew) <= harmless_skew_seconds) return good("file server's clock", "it agrees with the one here");
  return warning("file server's clock", fmt::format("it is {} {}", format_duration(std::abs(*skew)), *skew > 0 ? "ahead" : "behind"),
                 "tell the site (NTP); ages of snapshots are shown wrongly, nothing is decided by them");
}

}  // namespace ckpt::supervisor::doctor
