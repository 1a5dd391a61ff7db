// SPDX-License-Identifier: Apache-2.0
// The writer loop: one thread that takes what is staged and makes it durable: encode, write, fsync, publish, ledger,
// prune. The same code runs for a program on its own and, later, inside ckptrun.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "rundir/ledger.hpp"
#include "snapshot/writer.hpp"

namespace ckpt::staging {

// What one drain needs besides the bytes. References outlive the Drain.
struct DrainTarget {
  io::FileSystem& fs;
  rundir::Layout layout;
  rundir::Permissions permissions;
  rundir::Blocks& blocks;
  rundir::Catalog& catalog;
  rundir::Ledger& ledger;
  Clock& clock;
  std::uint64_t block = 0;
  std::size_t keep = 2;
  std::optional<rundir::SnapshotId> resumed_from{};   // protected until `keep` newer ones of this block are durable
  unsigned threads = 1;
};

struct Staged {
  snapshot::Header header{};
  std::vector<snapshot::ArraySource> arrays{};      // point into the area (or at the program, when it waits)
  double stage_seconds = 0;                         // the stall, for the ledger
  double wait_seconds = 0;                          // for the previous snapshot
};

struct Durable {
  rundir::SnapshotId id;
  double drain_seconds = 0;      // encode + write + fsync
  double publish_seconds = 0;    // rename + directory sync + ledger
  snapshot::WriteResult written{};
};

// Makes one staged snapshot durable, in the calling thread. Throws; then the older snapshots stand and the temporary
// file is removed. CKPT_ERR_SUPERSEDED when a newer block exists (checked before publishing).
// `published_by_this_block`: how many were before this one.
Durable make_durable(const DrainTarget& target, const Staged& staged, std::size_t published_by_this_block);

class Drain {
 public:
  explicit Drain(DrainTarget target);     // starts the thread
  ~Drain();                               // finishes what is staged, then ends the thread

  bool busy() const;                      // a snapshot is in flight: the area must not be touched
  void set_resumed_from(rundir::SnapshotId id);
  // Only when not busy. Returns at once; the thread takes it.
  void hand_over(Staged staged);
  // Until nothing is in flight: false when that took longer than `seconds`.
  bool wait_idle(double seconds);

  std::optional<Durable> last_durable() const;
  std::optional<Error> last_error() const;              // cleared by the next durable snapshot
  // Called on the drain's thread after each snapshot, durable or failed.
  void on_result(std::function<void(const Durable*, const Error*)> callback);

 private:
  void loop();
  void drain_staged(std::unique_lock<std::mutex>& lock);
  void tell_failure(const Staged& staged, const Error& error) noexcept;
  void remember(const Durable* durable, const Error* error) noexcept;
  void call_back(const Durable* durable, const Error* error) noexcept;

  DrainTarget target_;            // drain's thread
  std::size_t published_ = 0;     // drain's thread
  std::set<std::string> told_;    // drain's thread: kinds of failure logged since the last durable snapshot
  mutable std::mutex mutex_;      // guards what follows
  std::condition_variable changed_;
  std::optional<Staged> staged_;
  bool in_flight_ = false;
  bool ending_ = false;
  std::optional<rundir::SnapshotId> resumed_from_;
  std::optional<Durable> durable_;
  std::optional<Error> error_;
  std::function<void(const Durable*, const Error*)> on_result_;
  std::thread thread_;
};

}  // namespace ckpt::staging
