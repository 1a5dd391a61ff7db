// SPDX-License-Identifier: Apache-2.0
// What this site would reject, or accept and leave waiting for ever.
#pragma once

#include <cstdint>
#include <string>

#include "slurm/account_limits.hpp"
#include "slurm/site.hpp"

namespace ckpt::plan {

struct Wish {
  std::string partition;           // empty: the default one
  bool site_picks_partition = false;  // where none is named
  double limit_seconds = 0;        // 0: the partition's default
  std::uint64_t array_tasks = 1;   // highest index of the array
  bool are_trials = false;         // these, of a sweep; else blocks
  // Of one job, as the user wrote them; CPUs are those of a task.
  std::string cpus, memory, gpus, nodes, tasks, tasks_per_node;
  std::uint64_t jobs = 1;          // that are sent at once: of a sweep, all tasks of all arrays
  std::string account, qos;        // empty: one of the user's
};

// One line with the remedy; empty: nothing is known against it.
std::string objection(const supervisor::slurm::Site& site, const Wish& wish);
// The same by what the user's accounts and qualities of service allow. One that is not named may be any of theirs, so
// what one of them allows is allowed.
std::string objection(const supervisor::slurm::AccountLimits& limits, const Wish& wish);

// The set that allows the shortest blocks of those that bind; nullptr: none does.
const supervisor::slurm::LimitSet* shortest_allowed(const supervisor::slurm::AccountLimits& limits,
                                                    const std::string& account, const std::string& qos);

}  // namespace ckpt::plan
