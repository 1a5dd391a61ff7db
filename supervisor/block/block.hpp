// SPDX-License-Identifier: Apache-2.0
// One block: the program from its first process to the last, its signals, its clock, its record.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "block/outcome.hpp"
#include "block/signal_inbox.hpp"
#include "block/status_board.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::supervisor {

// The run as ckptrun holds it open; everything outlives the blocks.
struct RunAccess {
  io::FileSystem& fs;
  Clock& clock;
  SignalInbox& signals;
  rundir::Layout layout;
  rundir::Permissions permissions;
  rundir::Blocks& blocks;
  rundir::Catalog& catalog;
  StatusBoard& status;
};

struct BlockPlan {
  std::uint64_t block = 0;                          // claimed already
  std::string run_name;
  std::vector<std::string> command;
  std::string program_path;
  std::optional<rundir::SnapshotId> resume;         // what the catalog expects
  double block_seconds = engine::no_limit;
  bool linked_before = false;                       // an earlier block of this run linked libckpt
  std::string staging_size;                         // as the user wrote it; empty: not given
  std::vector<std::pair<std::string, std::string>> program_config;   // keys of ckpt_config_set
  std::function<void()> once_started;               // what need not delay the program's start
};

// Starts the program and returns when all of its processes are gone and the end is recorded.
BlockResult run_block(const RunAccess& run, rundir::Ledger& ledger, const BlockPlan& plan);

}  // namespace ckpt::supervisor
