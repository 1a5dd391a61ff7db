// SPDX-License-Identifier: Apache-2.0
// One owner of a run as the rules want it: claims, publishes, prunes and puts aside, asking is_newest before each; and
// believes every other owner gone, so that several of them are alive at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "fault/fake_disk.hpp"
#include "io/publish.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"

namespace ckpt::testing {

inline const rundir::Layout owned_run("/scratch/run");

inline std::unique_ptr<FakeDisk> disk_with_run() {
  auto disk = std::make_unique<FakeDisk>();
  disk->make_directories("/scratch");
  rundir::prepare_run_directory(*disk, owned_run, {});
  return disk;
}

inline std::string content_of(rundir::SnapshotId id) {
  return "written by block " + std::to_string(id.block) + " at step " + std::to_string(id.step);
}

inline int write_synced(io::FileSystem& fs, const std::string& path, const std::string& content) {
  std::unique_ptr<io::File> file;
  if (int error = fs.open(path, io::OpenMode::create_new, 0600, file)) return error;
  if (int error = file->write_at(0, std::as_bytes(std::span(content)))) return error;
  if (int error = file->sync()) return error;
  return file->close();
}

class Owner {
 public:
  Owner(FakeDisk& disk, std::int64_t pid, std::size_t keep)
      : disk_(disk), keep_(keep), catalog_(disk, owned_run, {}),
        blocks_(disk, owned_run, {}, [](const auto&, const auto&) { return OwnerState::gone; }) {
    claim_.role = "program";
    claim_.who.host = "node";
    claim_.who.pid = pid;
  }

  // Another process in its place, which has claimed nothing.
  void become(std::int64_t pid) {
    claim_.who.pid = pid;
    block_ = 0;
    published_ = 0;
  }

  std::uint64_t block() const { return block_; }   // 0: none
  std::int64_t pid() const { return claim_.who.pid; }

  // False when another was faster.
  bool claim() {
    const auto won = blocks_.claim(claim_, blocks_.ownership().newest_block);
    if (!won) return false;
    block_ = *won;
    published_ = 0;
    resumed_from_.reset();
    catalog_.remove_temporaries({});
    if (const auto entries = catalog_.list(); !entries.empty()) resumed_from_ = entries.front().id;
    step_ = resumed_from_ ? resumed_from_->step : 0;
    return true;
  }

  rundir::SnapshotId next_id() const { return {block_, step_ + 1}; }
  // Durable when it returns; nullopt: superseded. Throws when the disk fails.
  std::optional<rundir::SnapshotId> publish() {
    const rundir::SnapshotId id = next_id();
    ++step_;
    const std::string path = owned_run.snapshot(id);
    const std::string temporary = io::temporary_name(path);
    if (int error = write_synced(disk_, temporary, content_of(id))) {
      static_cast<void>(disk_.remove(temporary));
      fail_io(error, "cannot write {}", temporary);
    }
    if (!blocks_.is_newest(block_)) return std::nullopt;
    io::publish_new(disk_, temporary, path);
    ++published_;
    return id;
  }

  // After a publish of its own, as the drain does.
  void prune() {
    if (published_ == 0 || !blocks_.is_newest(block_)) return;
    std::vector<rundir::SnapshotId> protect;
    if (resumed_from_ && published_ < keep_) protect.push_back(*resumed_from_);
    catalog_.prune(keep_, protect);
  }

  // Empty: not the newest, or another was faster.
  std::string quarantine(rundir::SnapshotId id) {
    rundir::CatalogEntry entry;
    entry.id = id;
    entry.path = owned_run.snapshot(id);
    return blocks_.is_newest(block_) ? catalog_.quarantine(entry, block_) : "";
  }

 private:
  FakeDisk& disk_;
  std::size_t keep_;
  rundir::Catalog catalog_;
  rundir::Blocks blocks_;
  rundir::Claim claim_;
  std::uint64_t block_ = 0, step_ = 0;
  std::size_t published_ = 0;
  std::optional<rundir::SnapshotId> resumed_from_;
};

// Snapshots on the disk, newest first.
inline std::vector<rundir::SnapshotId> snapshots_on(FakeDisk& disk) {
  std::vector<rundir::SnapshotId> ids;
  for (const auto& entry : rundir::Catalog(disk, owned_run, {}).list()) ids.push_back(entry.id);
  return ids;
}

// Whether `act` went through without an Error.
template <class Act>
bool succeeds(Act act) {
  try {
    act();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace ckpt::testing
