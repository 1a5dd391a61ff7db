// SPDX-License-Identifier: Apache-2.0
// One block as its records and ledgers tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/run_view.hpp"

namespace ckpt::tools {

struct BlockView {
  rundir::BlockSummary summary;
  double seconds = 0;                         // until its end, its last word, or now
  bool fresh = false;                         // it started from the beginning
  std::optional<std::uint64_t> from_step;     // restored
  std::optional<std::uint64_t> to_step;       // durable
  std::uint64_t snapshots = 0;                // that became durable
  double stall_seconds = 0;                   // how long saves held the program up
  std::string save_error;                     // of the last save, when that failed
};

std::vector<BlockView> view_blocks(io::FileSystem& fs, const RunView& run);
BlockView view_block(io::FileSystem& fs, const RunView& run, const rundir::BlockSummary& summary);

// "crashed: SIGKILL (9)", "running".
std::string describe_end(const BlockView& block, const RunView& run);

// As the programs of a block told it last.
std::optional<Progress> last_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block);

}  // namespace ckpt::tools
