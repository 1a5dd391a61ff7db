// SPDX-License-Identifier: Apache-2.0
// Picks the newest whole snapshot and fills what is registered. Falls back only on proven damage of content.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "engine/state.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"

namespace ckpt::engine {

struct Restored {
  rundir::SnapshotId id;
  std::string path;
  std::string meta;                      // JSON of the snapshot's /meta
  std::vector<std::string> damaged;      // why newer ones were passed over, newest first
};

class Restorer {
 public:
  Restorer(io::FileSystem& fs, Clock& clock, rundir::Blocks& blocks, rundir::Catalog& catalog, std::uint64_t block,
           unsigned threads);

  // nullopt: the run never had a snapshot. Otherwise the newest one that opens; stays open for find() and restore().
  const snapshot::Reader* newest();
  // `prepare` runs before each candidate is matched with the state, which it may change.
  using Prepare = std::function<void(snapshot::Reader&)>;
  std::optional<Restored> restore(const State& state, const Prepare& prepare);

 private:
  struct Candidate {
    rundir::SnapshotId id;
    std::string path;
    std::optional<rundir::CatalogEntry> entry;   // empty: kept by name, not in snapshots/
  };
  void list_snapshots();
  void list_kept();
  bool advance();                        // opens the next candidate; false when there is none left
  void pass_over(const Error& damage);
  void fill(const State& state, const Prepare& prepare);
  template <class Work>
  void read_patiently(Work&& work);
  [[noreturn]] void report_lost() const;

  io::FileSystem& fs_;
  Clock& clock_;
  rundir::Blocks& blocks_;
  rundir::Catalog& catalog_;
  std::uint64_t block_;
  unsigned threads_;
  bool listed_ = false, kept_listed_ = false;
  std::vector<Candidate> candidates_;    // the one in work is the front
  std::optional<snapshot::Reader> reader_;
  std::vector<std::string> damaged_;
};

}  // namespace ckpt::engine
