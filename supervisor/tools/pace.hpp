// SPDX-License-Identifier: Apache-2.0
// How fast a run goes and when its work will be done: arithmetic on what its ledgers tell. Pure.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

#include "rundir/submissions.hpp"
#include "tools/block_view.hpp"

namespace ckpt::tools {

struct Pace {
  std::optional<double> seconds_per_step;
  std::optional<double> seconds_per_unit;   // of the progress that the program reports: of an epoch
};
// `blocks`: the newest ones, oldest first. Where less than one unit was seen to pass, progress is taken to grow evenly with
// the steps.
Pace pace_of(const std::vector<BlockView>& blocks, const std::optional<Progress>& progress,
             std::optional<std::uint64_t> step);

// Between the end of one block and the start of the next, where a scheduler or ckptrun started that; how long a person
// stayed away says nothing about the queue.
struct Waits {
  std::size_t count = 0;
  double mean_seconds = 0;
};
Waits waits_between(const std::vector<BlockView>& blocks, const std::vector<rundir::Submission>& submissions);

// From a block's start to its program's first word about a step: start-up and restore. Mean; 0 when nothing tells.
double start_seconds_of(const std::vector<BlockView>& blocks);

struct Ahead {
  double work_seconds = 0;                                           // still to do
  double seconds_to_end = 0, stop_in_seconds = 0;                    // of the running block; 0: none runs
  double block_seconds = std::numeric_limits<double>::infinity();    // of one to come
  double start_seconds = 0;                                          // of it, before it works
  double reserve_seconds = 0;                                        // of it, after it stopped working
  double wait_seconds = 0;                                           // before it
};
struct Outlook {
  double work_seconds = 0;
  std::size_t blocks = 0;            // to come after the running one
  double restart_seconds = 0;        // all of them together
  double wait_seconds = 0;           // in the queue, all of them together
  double finish_in_seconds = 0;
};
// nullopt: a block is too short to work in it.
std::optional<Outlook> look_ahead(const Ahead& ahead);

}  // namespace ckpt::tools
