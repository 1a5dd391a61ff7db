// SPDX-License-Identifier: Apache-2.0
// The chain of blocks of one run: here, block after block, until the work is complete or nothing more can be done. Or,
// where blocks are jobs, this job's block (and a second try of it after a crash, if time allows) and what is to happen to
// the jobs that wait behind it.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "block/output.hpp"
#include "block/signal_inbox.hpp"
#include "chain/hook.hpp"
#include "chain/identity.hpp"
#include "chain/own_checkpoints.hpp"
#include "chain/scheduler.hpp"
#include "dataset/stage.hpp"
#include "engine/policy.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

constexpr int exit_stopped_by_us = 124;
constexpr int exit_our_error = 125;

struct ChainOptions {
  RunIdentity run;
  std::vector<std::string> command;
  std::string program_path;                       // command[0], looked up
  double block_seconds = engine::no_limit;
  bool fresh = false;
  bool accept_changes = false;
  bool strict = false;                            // changed code, libraries or GPU are no reason to warn but to refuse
  bool wait = true;                               // for a run that is in use
  std::size_t keep = 2;
  rundir::DirectoryRules rules;
  bool share = false;                             // with the user's group
  std::string staging_size;
  bool deterministic = false;
  std::vector<std::pair<std::string, std::string>> program_config;
  Preparation preparation;                        // of the node, before the program starts here
  std::string overrides;                          // a JSON object, for the program; empty: none
  Hooks hooks;
  std::vector<std::string> variables;             // of the program's environment: "NAME=value"
  std::size_t most_blocks = 0;                    // of this ckptrun; 0: as many as it takes
  OutputWay output = OutputWay::inherited;        // of the program
  std::string progress;                           // read from that output: as ProgressText wants it
  std::string done_when;                          // shell command of the user's; BlockPlan::done_when
  CheckpointOptions own;                          // of the program's making
  Scheduler* scheduler = nullptr;                 // of the job around this; null: there is none
  bool blocks_are_jobs = false;                   // this job is one block; the scheduler starts the next
  std::string node;                               // for people
};

// After a start that was refused before anything was done: a mistyped command, another run's directory. Every task that
// waits would be refused as well, so those of this chain are cancelled, and that is said; unless this chain has run
// before: then it may be this node.
void give_up_waiting_tasks(io::FileSystem& fs, const ChainOptions& options);

// By --fresh. A job script says it to each of its blocks, and means the first.
bool starts_over(io::FileSystem& fs, const ChainOptions& options);

// Returns ckptrun's exit code. Throws Error for what is refused or does not work (125).
int run_chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options);

}  // namespace ckpt::supervisor
