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
#include "block/checkpoint_watch.hpp"
#include "block/end_source.hpp"
#include "block/outcome.hpp"
#include "block/output.hpp"
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

// How a program that does not talk to ckptrun is stopped.
enum class StopWay {
  at_deadline,       // by its signal, when it has to end
  after_checkpoint,  // by its signal, right after a checkpoint: the last one that fits, or the next one once somebody asks
  in_advance,        // by its signal, so early that it can save and end
};

struct BlockPlan {
  std::uint64_t block = 0;                          // claimed already
  std::string run_name;
  std::vector<std::string> command;
  std::string program_path;
  std::string data_directory;                       // on the node's own disk; empty: nothing was staged
  double prepared_seconds = 0;                      // that went by before this block began, and belong to its start-up
  std::optional<rundir::SnapshotId> resume;         // what the catalog expects
  double block_seconds = engine::no_limit;          // the user's word, from the start of this block
  double job_end = engine::no_limit;                // monotonic seconds, as job_end_source told at first
  EndSource* job_end_source = nullptr;              // null: no job around this
  bool is_job = false;                              // a signal ends this block, and not the chain
  std::string node;                                 // for people
  std::uint64_t about_blocks = 0;                   // of the whole chain, as far as can be said; 0: unknown
  bool linked_before = false;                       // an earlier block of this run linked libckpt
  std::string staging_size;                         // as the user wrote it; empty: not given
  std::string experiment;                           // its key for experiment trackers; empty: none
  bool deterministic = false;                       // frameworks are told to be
  std::vector<std::pair<std::string, std::string>> program_config;   // keys of ckpt_config_set
  std::vector<std::string> variables;               // of the program's environment: "NAME=value"
  OutputWay output = OutputWay::inherited;
  std::optional<OwnCheckpoints> own;                // the program's own checkpoints, where ckptrun knows them
  std::string progress;                             // read from the output, as ProgressText wants it; empty: not at all
  std::string done_when;                            // shell command: whether exit code 0 means complete; empty: it does
  StopWay stop_way = StopWay::at_deadline;
  int stop_signal = SIGTERM;
  std::function<void()> once_started;               // what need not delay the program's start
};

// Starts the program and returns when all of its processes are gone and the end is recorded.
BlockResult run_block(const RunAccess& run, rundir::Ledger& ledger, const BlockPlan& plan);

}  // namespace ckpt::supervisor
