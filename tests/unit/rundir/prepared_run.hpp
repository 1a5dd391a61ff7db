// SPDX-License-Identifier: Apache-2.0
// A run directory on a fake disk, and short words for what the tests of this room do to it.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/process_identity.hpp"
#include "fault/fake_disk.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"

namespace ckpt::testing {

struct PreparedRun {
  FakeDisk disk;
  rundir::Layout layout{"/scratch/run"};
  rundir::Permissions permissions;

  PreparedRun() {
    disk.make_directories("/scratch");
    permissions = rundir::prepare_run_directory(disk, layout, {});
  }
  rundir::Blocks blocks(rundir::Blocks::OwnerStateFunction owner_state = {}) {
    return {disk, layout, permissions, std::move(owner_state)};
  }
  rundir::Catalog catalog() { return {disk, layout, permissions}; }
  void put_snapshot(std::uint64_t block, std::uint64_t step) {
    disk.put(layout.snapshot({block, step}), "state of step " + std::to_string(step));
  }
};

// A process of nobody's machine.
inline ProcessIdentity somebody(std::int64_t pid) {
  return {.host = "node12", .machine_id = "m", .boot_id = "b", .pid_namespace = "n", .pid = pid, .start_ticks = 99,
          .user = "alice"};
}

inline rundir::Claim claim_of(const ProcessIdentity& who, const std::string& role = "ckptrun") {
  rundir::Claim claim;
  claim.role = role;
  claim.who = who;
  claim.claimed = 1772373909;   // 2026-03-01T14:05:09Z
  return claim;
}

inline std::vector<rundir::SnapshotId> ids(const rundir::Catalog& catalog) {
  std::vector<rundir::SnapshotId> found;
  for (const auto& entry : catalog.list()) found.push_back(entry.id);
  return found;
}

// Status and text of the Error that `act` throws; CKPT_OK without one.
struct Thrown {
  ckpt_status status = CKPT_OK;
  std::string text;
  bool says(const std::string& words) const { return text.find(words) != std::string::npos; }
};
template <class Act>
Thrown thrown_by(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
  return {};
}

}  // namespace ckpt::testing
