// SPDX-License-Identifier: Apache-2.0
// Names inside a run directory, and whether a directory may be one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/file_system.hpp"

namespace ckpt::rundir {

// Newest = highest (block, step), not highest step: a late writer of an old block, or a roll-back, never shadows the
// live branch.
struct SnapshotId {
  std::uint64_t block = 0;
  std::uint64_t step = 0;
  auto operator<=>(const SnapshotId&) const = default;
};

std::string snapshot_file_name(SnapshotId id);                            // "step-000000004100-b0007.h5"
std::optional<SnapshotId> parse_snapshot_file_name(std::string_view name); // nullopt for anything else

// The files in blocks/: "0007.json", "0007.end.json", "0007.program-4711.json", …; pid is 0 where the name has none.
enum class BlockFileKind { record, end, program, child, ckptrun_ledger, program_ledger };
struct BlockFile {
  std::uint64_t block = 0;
  BlockFileKind kind = BlockFileKind::record;
  std::int64_t pid = 0;
  bool operator==(const BlockFile&) const = default;
};
std::string block_file_name(const BlockFile& file);
std::optional<BlockFile> parse_block_file_name(std::string_view name);    // nullopt for anything else

class Layout {
 public:
  explicit Layout(std::string run_directory);   // made absolute, without trailing '/'

  const std::string& directory() const noexcept { return directory_; }
  std::string name() const;                      // last part of the directory
  std::string run_json() const;
  std::string has_snapshots() const;
  std::string status_json() const;
  std::string blocks() const;
  std::string snapshots() const;
  std::string kept() const;
  std::string control() const;
  std::string metrics() const;                                        // metrics.jsonl
  std::string logs() const;
  std::string block_log(std::uint64_t block) const;                   // logs/block-0007.log
  std::string snapshot(SnapshotId id) const;
  std::string kept_snapshot(std::string_view name) const;             // kept/best.h5
  std::string block_record(std::uint64_t block) const;                // blocks/0007.json
  std::string block_end(std::uint64_t block) const;                   // blocks/0007.end.json
  std::string program_record(std::uint64_t block, std::int64_t pid) const;  // blocks/0007.program-PID.json
  std::string child_record(std::uint64_t block, std::int64_t pid) const;    // blocks/0007.child-PID.json
  std::string ckptrun_ledger(std::uint64_t block) const;              // blocks/0007.ckptrun.jsonl
  std::string program_ledger(std::uint64_t block, std::int64_t pid) const;
 private:
  std::string directory_;
};

// Private by default; a parent directory with setgid makes the run readable by its group.
struct Permissions {
  std::uint32_t directory = 0700;
  std::uint32_t file = 0600;
};

struct DirectoryRules {
  bool allow_volatile = false;      // tmpfs, ramfs
  bool allow_other_owner = false;   // a run that belongs to another user
  bool begins_from_snapshot = false;   // one that is new is never there without has-snapshots
};

// Checks the run directory and creates what is missing of it. CKPT_ERR_RUN_DIRECTORY (a file, tmpfs, another user's),
// CKPT_ERR_PERMISSION …; one line with the remedy. Returns the modes for what is created in it.
Permissions prepare_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules);

// The same checks for a reader: it is there and is a run directory. CKPT_ERR_NOT_FOUND otherwise.
void require_run_directory(io::FileSystem& fs, const Layout& layout);
Permissions permissions_of(io::FileSystem& fs, const Layout& layout);

}  // namespace ckpt::rundir
