// SPDX-License-Identifier: Apache-2.0
// The program run as far as wanted, for real, in a run that is thrown away.
#pragma once

#include <cstdint>
#include <string>

#include "chain/chain.hpp"
#include "verify/record.hpp"

namespace ckpt::verify {

struct TrialPlan {
  std::string name;                      // "straight", "resumed": also the run's directory
  std::uint64_t steps = 0;               // until each block is stopped
  std::uint64_t save_at = 0;             // a snapshot at this step of a block; 0: none
  std::size_t blocks = 1;
};

// How it went. Steps are the program's own numbers.
struct Trial {
  std::string directory;
  bool links_libckpt = false;
  bool came_through = false;             // every block stopped where it was told to, or finished
  bool finished = false;                 // its work was complete before that
  std::uint64_t stopped_at = 0;          // where the first block ended
  std::uint64_t ended_at = 0;            // where the last one did
  std::uint64_t blocks = 0;              // that it took
  std::string reason;                    // why its last block ended
  Record record;
};

// `chain` has the command and how to run it; the run is a directory of its own in `folder`.
// CKPT_ERR_TIMEOUT: interrupted by a signal.
Trial run_trial(io::FileSystem& fs, Clock& clock, supervisor::SignalInbox& signals, const std::string& folder,
                supervisor::ChainOptions chain, const TrialPlan& plan);

// The file of the newest snapshot at that step; empty: there is none.
std::string snapshot_at(io::FileSystem& fs, const Trial& trial, std::uint64_t step);
// What the program printed last, in its last block.
std::string last_lines(const Trial& trial);

}  // namespace ckpt::verify
