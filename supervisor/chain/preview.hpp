// SPDX-License-Identifier: Apache-2.0
// What ckptrun would do with a command, without doing any of it: ckptrun --check. Nothing is created or claimed.
// Whether the content of a snapshot is whole is not looked at: that takes as long as restoring it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "chain/chain.hpp"
#include "chain/step.hpp"

namespace ckpt::supervisor {

struct Preview {
  bool exists = false;                         // the run; else all of it would be new
  bool moves_old_run = false;                  // --fresh, and one is there
  std::string changed_command;                 // the difference to the run's; empty: none
  std::string refusal;                         // the error it would end with at once; empty: none
  Decision decision;                           // start, resume, wait, complete …
  std::uint64_t blocks = 0, snapshots = 0;     // that are there
  std::vector<std::string> damaged;            // as their heads tell: snapshots newer than the one it starts from
  bool keeps_own = false;                      // --latest: what it starts from is verified, and so are the damaged ones
  bool uses_libckpt = true;                    // as far as its blocks tell
  std::string progress;                        // "epoch 36.5 of 300"; empty: not told
  double seconds_left = engine::no_limit;      // of the block
  std::string end_source;                      // "--block-time", "job 4711"; empty: no limit
  // Bytes; 0: not known before the first block, or not to be asked.
  std::uint64_t snapshot_bytes = 0, state_bytes = 0;
  std::uint64_t disk_needed = 0, disk_free = 0;
  std::uint64_t memory_needed = 0, memory_allowed = 0;   // for the staging area
  std::string staging_size;                    // that the user gave it: "64M"; empty: none given
};

Preview preview_chain(io::FileSystem& fs, Clock& clock, const ChainOptions& options);

}  // namespace ckpt::supervisor
