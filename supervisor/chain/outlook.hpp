// SPDX-License-Identifier: Apache-2.0
// How far a run is and how much is left of it, as its ledgers and its submissions tell: for a block's first and last line,
// for the size of an extension, for whether one more start is worth it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/policy.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

struct Outlook {
  std::string progress;              // "epoch 36.5 of 300"; empty: the program does not tell
  std::uint64_t blocks_needed = 0;   // for the rest; 0: not known
  std::uint64_t blocks_planned = 0;  // of the whole chain when it was sent; 0: nobody planned
  std::uint64_t about_blocks = 0;    // of the whole chain, as it looks now
  double one_start_seconds = 0;      // start-up, restore, one step, its save
  engine::Costs costs;               // as earlier blocks teach
  std::uint64_t state_bytes = 0;     // of the snapshot staged last; 0: none yet
};

// Never throws: what cannot be read is not known.
Outlook look_ahead(io::FileSystem& fs, const rundir::Layout& layout, double block_seconds) noexcept;

}  // namespace ckpt::supervisor
