// SPDX-License-Identifier: Apache-2.0
// Whether the owner of a block is gone, by the word of the scheduler that runs its job, and how that job ended.
#pragma once

#include <string>

#include "base/process_identity.hpp"
#include "chain/scheduler.hpp"
#include "rundir/blocks.hpp"
#include "slurm/job.hpp"

namespace ckpt::supervisor::slurm {

class Owners {
 public:
  // `cluster` is ours: a job's number means nothing elsewhere. Empty: the controller is asked for it when it matters.
  Owners(Clock& clock, std::string cluster) : clock_(clock), cluster_(std::move(cluster)) {}

  // What this machine knows for certain comes first, and asks nobody. Otherwise a job that holds nodes is alive; one
  // that is over, waits, has been started anew or is forgotten is gone; anything else is unknown. A node that only
  // seems dead may still run it: Slurm's word decides who goes on; that two write is harmless (rundir/blocks.hpp).
  OwnerState state(const rundir::Claim& claim, const ProcessIdentity& who);
  JobEnd how_ended(const rundir::Claim& claim);

 private:
  bool is_of_our_cluster(const rundir::Claim& claim);
  const JobAnswer& ask(const std::string& job_id);

  Clock& clock_;
  std::string cluster_;
  std::string asked_id_;                 // a block has several processes in one job
  double asked_ = 0;
  JobAnswer answer_;
};

// Pure, for the tests. `claim.job_id` was asked for.
OwnerState judge_owner(const rundir::Claim& claim, const JobAnswer& answer, const std::string& our_user);
JobEnd judge_end(const rundir::Claim& claim, const JobAnswer& controller, const JobAnswer& accounting);

}  // namespace ckpt::supervisor::slurm
