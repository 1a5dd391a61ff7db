// SPDX-License-Identifier: Apache-2.0
// The snapshots of a run: list, mark, prune, quarantine, keep. Knows names and links, not contents.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::rundir {

struct CatalogEntry {
  SnapshotId id;
  std::string path;
  std::uint64_t size_bytes = 0;
  double modified = 0;             // wall seconds
};

struct KeptEntry {
  std::string name;                // "best"
  std::string path;
  std::uint64_t size_bytes = 0;
  std::uint64_t inode = 0;         // the same as a CatalogEntry's file while that is still there
  double modified = 0;
};

class Catalog {
 public:
  Catalog(io::FileSystem& fs, Layout layout, Permissions permissions);

  std::vector<CatalogEntry> list() const;       // newest first; damaged and temporary names left out
  std::vector<std::string> damaged() const;     // file names "*.damaged-b0007*"
  std::vector<KeptEntry> kept() const;

  // has-snapshots: created once, synced, after the first publish. It outlives every snapshot (LOST is told by it); a
  // snapshot, damaged or not, tells the same, should the mark not have been made in time.
  bool ever_had_snapshots() const;
  void mark_has_snapshots();
  // Against scratch purges: touches run.json, has-snapshots and the newest snapshots; failures are ignored.
  void touch_marks() noexcept;

  // Removes what retention does not keep: the newest `keep` (at least 1) stay, and `protect` (the snapshot this block
  // resumed from) whatever its place. Only the newest block may call it. Returns how many were removed; a file that is
  // already gone counts as removed; other failures are logged, never thrown.
  std::size_t prune(std::size_t keep, const std::vector<SnapshotId>& protect);
  // "*.damaged-b0007" (…-2, -3 if taken): never replacing anything. Only the newest block may call it.
  // Returns the new path; empty when the file was gone already.
  std::string quarantine(const CatalogEntry& entry, std::uint64_t block);
  // Leftovers of a kill: temporaries in snapshots/ of owners that are gone (the caller knows because it owns the run;
  // its own live ones are recognised by `is_mine`), and those elsewhere, where people who own nothing write too (keep,
  // stop, claims), once they are an hour old. Returns how many; failures are logged.
  std::size_t remove_temporaries(const std::function<bool(const std::string& file_name)>& is_mine);

  // kept/<name>.h5 becomes a link to that snapshot (a copy where links are refused), replacing an earlier one of that
  // name atomically. CKPT_ERR_NAME, CKPT_ERR_NOT_FOUND.
  void keep(SnapshotId id, const std::string& name);
  void keep_file(const std::string& file, const std::string& name);   // the file of one of this run, kept or not
  // `file`, a whole snapshot of this run or of another one, is durable under that id as well when it returns (a copy
  // where links are refused). Only the owner of id.block may call it.
  // CKPT_ERR_NOT_FOUND.
  void adopt(const std::string& file, SnapshotId id);

 private:
  io::FileSystem& fs_;
  Layout layout_;
  Permissions permissions_;
  bool marked_ = false;            // has-snapshots is there and durable
};

}  // namespace ckpt::rundir
