// SPDX-License-Identifier: Apache-2.0
// A run now: where it is, how fast it goes, what is still to come, and what a person should do about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/block_view.hpp"
#include "tools/pace.hpp"
#include "tools/run_view.hpp"

namespace ckpt::tools {

struct Situation {
  RunView run;
  std::optional<BlockView> block;               // the newest
  std::optional<double> seconds_to_end, stop_in_seconds;   // of the running block
  std::string save_error;
  std::string last_end;                         // of the newest block that has ended: "block 3: to be continued: …"
  std::optional<std::uint64_t> planned_blocks;  // by who submitted the chain
  std::uint64_t may_send = 0;                    // blocks that the chain extends itself by, at most
  std::string sent_array;                       // the newest that was submitted for it; empty: none
  bool sent_is_gone = false;                    // no block began, and nothing of what was submitted waits or runs
  std::optional<supervisor::QueueFacts> queue;  // where Slurm starts the blocks and says what waits
  bool is_half_fork = false;                    // a ckpt fork that was killed
  bool has_nothing_left = false;                // of snapshots that it once had
  std::string line_to_go_on;                    // what a person types where nothing that waits does it; empty: not known
  Pace pace;
  Waits waits;
  std::optional<Outlook> outlook;               // unknown work, or a run that is over: none

  explicit Situation(RunView view) : run(std::move(view)) {}
};

Situation look_at(io::FileSystem& fs, const rundir::Layout& layout);

// One line: what a person should do. Usually nothing.
std::string advice(const Situation& now);

// The run is over, or nobody goes on with it: watching longer shows nothing new.
bool is_at_rest(const Situation& now);

}  // namespace ckpt::tools
