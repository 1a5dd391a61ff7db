// SPDX-License-Identifier: Apache-2.0
// One block as its records and ledgers tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/run_view.hpp"

namespace ckpt::tools {

// How far something came in which time, from the first word about it to the last.
struct Stretch {
  double from_time = 0, to_time = 0;          // wall seconds
  double from = 0, to = 0;
  bool begun = false;

  void add(double time, double at);
};

struct BlockView {
  rundir::BlockSummary summary;
  double seconds = 0;                         // until its end, its last word, or now
  bool fresh = false;                         // it started from the beginning
  std::optional<std::uint64_t> from_step;     // restored
  std::optional<std::uint64_t> to_step;       // durable
  std::uint64_t snapshots = 0;                // that became durable
  double stall_seconds = 0;                   // how long saves held the program up
  std::string save_error;                     // of the last save, when that failed
  std::string changed;                        // besides the command, since the block before: "train.py has changed"
  std::string log;                            // file of what its program printed; empty: not logged
  Stretch steps;                              // since its first safe point
  Stretch progress;                           // in the program's unit
};

std::vector<BlockView> view_blocks(io::FileSystem& fs, const RunView& run);                        // all, oldest first
std::vector<BlockView> view_newest_blocks(io::FileSystem& fs, const RunView& run, std::uint64_t count);   // oldest first
BlockView view_block(io::FileSystem& fs, const RunView& run, const rundir::BlockSummary& summary);

// "crashed: SIGKILL (9)", "running".
std::string describe_end(const rundir::BlockEnd& end);
std::string describe_end(const BlockView& block, const RunView& run);

std::optional<Progress> progress_in(const nlohmann::json& object);
// As the programs of this block, or of those before it, told it last.
std::optional<Progress> last_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block);

}  // namespace ckpt::tools
