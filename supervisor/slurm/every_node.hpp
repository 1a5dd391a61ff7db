// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/environment.hpp"

namespace ckpt::supervisor::slurm {

// "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 tar ...": the command once on each node of this job. On one node: the
// command itself.
std::vector<std::string> on_every_node(const JobEnvironment& job, const std::vector<std::string>& words);

}  // namespace ckpt::supervisor::slurm
