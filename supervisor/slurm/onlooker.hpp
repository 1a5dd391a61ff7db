// SPDX-License-Identifier: Apache-2.0
// Slurm for somebody who looks at runs from outside of their jobs. Few questions, with little patience: an answer is good
// for a while, and a Slurm that was silent is left alone for as long.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "chain/scheduler.hpp"
#include "io/file_system.hpp"
#include "rundir/blocks.hpp"
#include "rundir/layout.hpp"
#include "slurm/job.hpp"

namespace ckpt::supervisor::slurm {

class Onlooker {
 public:
  explicit Onlooker(Clock& clock) : clock_(clock) {}

  // What this machine knows for certain asks nobody. Else what Slurm says of the claim's job.
  OwnerState owner_state(const rundir::Claim& claim, const ProcessIdentity& who);
  // The same for one of many runs: one question for all jobs of a user. It does not see that a job was started anew.
  OwnerState owner_state_among_many(const rundir::Claim& claim, const ProcessIdentity& who);

  // What of the chain (of a sweep: of this trial) that the claim's job belongs to is still to start. nullopt: no job of
  // this cluster, or Slurm did not say.
  std::optional<QueueFacts> queue(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim);
  // Nothing of the array waits or runs any more. False while Slurm does not say.
  bool is_over(const rundir::Claim& claim);
  // What a person types to go on with `blocks` more; empty: not known.
  std::string line_to_go_on(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim, std::size_t blocks);
  // Empty: done; else why not, with the line to type.
  std::string cancel_waiting(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim);

 private:
  template <class Value>
  struct Remembered {
    double asked = 0;
    Value value;
  };
  bool may_ask(const rundir::Claim& claim);
  bool is_of_this_cluster(const std::string& cluster);
  bool is_fresh(double asked) const;
  void note_silence() { silent_ = clock_.monotonic_seconds(); }
  const JobAnswer& jobs_of_user(const std::string& user);

  Clock& clock_;
  std::optional<double> silent_;
  std::optional<std::string> cluster_;
  std::map<std::string, Remembered<OwnerState>> owners_;        // by job
  std::map<std::string, Remembered<QueueFacts>> queues_;        // by job
  std::map<std::string, Remembered<JobAnswer>> jobs_;           // by user
};

// As a task of this array would ask that has not begun: for queue() and the like.
rundir::Claim claim_of_array(const std::string& array_id, const std::string& cluster);

}  // namespace ckpt::supervisor::slurm
