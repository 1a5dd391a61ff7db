// SPDX-License-Identifier: Apache-2.0
// One snapshot: temporary name, all bytes, fsync, still ours?, publish, ledger, prune.
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "io/publish.hpp"
#include "staging/drain.hpp"

namespace ckpt::staging {
namespace {

// Removed again unless it was published. Should the removal fail too, the next block clears it up.
class UnpublishedFile {
 public:
  UnpublishedFile(io::FileSystem& fs, const std::string& final_path) : fs_(fs), path_(io::temporary_name(final_path)) {}
  ~UnpublishedFile() {
    if (!published_) static_cast<void>(fs_.remove(path_));
  }
  UnpublishedFile(const UnpublishedFile&) = delete;

  const std::string& path() const { return path_; }
  void publish_as(const std::string& final_path) {
    published_ = true;   // whatever happens now, publish_new clears up
    io::publish_new(fs_, path_, final_path);
  }

 private:
  io::FileSystem& fs_;
  std::string path_;
  bool published_ = false;
};

void require_newest(const DrainTarget& target) {
  const std::uint64_t newest = target.blocks.newest();
  if (newest != target.block) {
    fail(CKPT_ERR_SUPERSEDED, "block {} of the run {} has started: block {} must leave and writes no more snapshots",
         newest, target.layout.directory(), target.block);
  }
}

// After the publish: a mark without any snapshot would turn a fresh run into a lost one should we die in between, while
// a snapshot without the mark is found by looking. Before anybody is told: what is durable must never be forgotten.
void mark_or_take_back(const DrainTarget& target, const std::string& path) {
  try {
    target.catalog.mark_has_snapshots();
  } catch (...) {
    static_cast<void>(target.fs.remove(path));
    throw;
  }
}

void write_ledger(const DrainTarget& target, const Staged& staged, const Durable& durable) noexcept try {
  target.ledger.append("durable", {{"step", durable.id.step},
                                   {"block", durable.id.block},
                                   {"file", rundir::snapshot_file_name(durable.id)},
                                   {"file_bytes", durable.written.file_bytes},
                                   {"state_bytes", durable.written.state_bytes},
                                   {"stall_seconds", staged.stage_seconds},
                                   {"wait_seconds", staged.wait_seconds},
                                   {"drain_seconds", durable.drain_seconds},
                                   {"publish_seconds", durable.publish_seconds}});
} catch (const std::exception&) {   // out of memory: the ledger only explains
}

// The snapshot that this block resumed from has proven that it restores; ours have not yet, but for their number.
void prune(const DrainTarget& target, std::size_t published_by_this_block) noexcept try {
  if (!target.blocks.is_newest(target.block)) return;
  std::vector<rundir::SnapshotId> protect;
  if (target.resumed_from && published_by_this_block < target.keep) protect.push_back(*target.resumed_from);
  target.catalog.prune(target.keep, protect);
} catch (const std::exception& error) {
  try {
    log_warning("old snapshots of {} were not removed: {}", target.layout.directory(), error.what());
  } catch (const std::exception&) {
  }
}

}  // namespace

Durable make_durable(const DrainTarget& target, const Staged& staged, std::size_t published_by_this_block) {
  Durable durable;
  durable.id = {.block = target.block, .step = staged.header.step};
  const std::string path = target.layout.snapshot(durable.id);
  UnpublishedFile file(target.fs, path);

  const double started = target.clock.monotonic_seconds();
  durable.written = snapshot::write_snapshot(target.fs, file.path(), staged.header, staged.arrays,
                                             {.threads = target.threads, .permissions = target.permissions.file});
  const double written = target.clock.monotonic_seconds();
  durable.drain_seconds = written - started;

  require_newest(target);
  file.publish_as(path);
  mark_or_take_back(target, path);
  durable.publish_seconds = target.clock.monotonic_seconds() - written;
  write_ledger(target, staged, durable);
  prune(target, published_by_this_block + 1);
  return durable;
}

}  // namespace ckpt::staging
