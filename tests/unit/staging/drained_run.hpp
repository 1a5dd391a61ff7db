// SPDX-License-Identifier: Apache-2.0
// A run directory on a fake disk, whose state at every step is known, for the tests of the drain.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "fault/fake_disk.hpp"
#include "staging/drain.hpp"

namespace ckpt::testing {

constexpr std::uint64_t block_1 = 1, block_2 = 2;

// The state that a program would have staged at this step; lives until the process ends.
staging::Staged staged_state(std::uint64_t step, std::uint64_t block = block_1);

// /run with its folders and the claim of `block`, all durable.
std::unique_ptr<FakeDisk> disk_with_run(std::uint64_t block = block_1);
void claim(FakeDisk& disk, std::uint64_t block);

// Everything around a Drain. The disk outlives it.
struct DrainedRun {
  explicit DrainedRun(FakeDisk& disk, std::uint64_t block = block_1);

  staging::DrainTarget target();
  staging::Durable save(std::uint64_t step, std::size_t published = 0);   // in this thread; throws
  std::vector<nlohmann::json> events() const;

  FakeDisk& disk;
  std::uint64_t block;
  rundir::Layout layout{"/run"};
  rundir::Blocks blocks;
  rundir::Catalog catalog;
  rundir::Ledger ledger;
  std::size_t keep = 2;
  std::optional<rundir::SnapshotId> resumed_from;
};

// True when that snapshot reads whole, verifies, and holds the state of its step.
bool restores(FakeDisk& disk, rundir::SnapshotId id);
// The newest that restores; nullopt: none. Damaged newer ones are passed over, as a restore does.
std::optional<rundir::SnapshotId> newest_whole(FakeDisk& disk);
std::vector<rundir::SnapshotId> listed(FakeDisk& disk);   // newest first
std::size_t temporaries(const FakeDisk& disk);

}  // namespace ckpt::testing
