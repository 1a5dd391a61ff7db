// SPDX-License-Identifier: Apache-2.0
// What the ledgers of a run, or of a rehearsal of it, say about its times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/policy.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// Observed durations of one kind, in seconds.
class Sample {
 public:
  void add(double seconds);  // what is not above zero is no observation
  void add_all(const Sample& other);
  std::size_t count() const noexcept { return seconds_.size(); }
  std::optional<double> p90() const;       // nearest rank: nine of ten took no longer
  std::optional<double> estimate() const;  // as engine/policy would estimate it

 private:
  std::vector<double> seconds_;
};

struct LearnedTimes {
  std::string unit;  // of the program's progress; "step" where it tells none; empty: nothing is known
  Sample unit_seconds;
  double units_observed = 0;  // that the observations span; fast ones share one
  Sample startup;             // start of the block to its first safe point, without the restore
  Sample restore, stage, drain, publish, between_points;
  std::optional<double> done;     // units, as of the newest durable snapshot
  std::optional<double> total;    // units of the whole work
  std::uint64_t state_bytes = 0;  // of the snapshot staged last; 0: none yet
  std::uint64_t file_bytes = 0;
  bool keeps_own = false;         // its program writes checkpoints of its own, which stay where a rehearsal goes
  bool from_rehearsal = false;  // the time of a unit is a rehearsal's

  engine::Costs costs() const;  // as engine/policy will estimate them from these
};

// From the newest blocks; what those do not know, from the rehearsal.
LearnedTimes learn_times(io::FileSystem& fs, const rundir::Layout& layout);

// Where the ledgers of a rehearsal of this run are kept, laid out as a run.
rundir::Layout rehearsal_of(const rundir::Layout& layout);

}  // namespace ckpt::supervisor
