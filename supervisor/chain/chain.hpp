// SPDX-License-Identifier: Apache-2.0
// The chain of blocks of one run, here, block after block, until the work is complete or nothing more can be done.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "block/signal_inbox.hpp"
#include "chain/identity.hpp"
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
  bool wait = true;                               // for a run that is in use
  std::size_t keep = 2;
  rundir::DirectoryRules rules;
  std::string staging_size;
  std::vector<std::pair<std::string, std::string>> program_config;
};

// Returns ckptrun's exit code. Throws Error for what is refused or does not work (125).
int run_chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options);

}  // namespace ckpt::supervisor
