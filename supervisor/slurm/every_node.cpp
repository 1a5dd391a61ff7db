// SPDX-License-Identifier: Apache-2.0
#include "slurm/every_node.hpp"

#include <fmt/format.h>

namespace ckpt::supervisor::slurm {

std::vector<std::string> on_every_node(const JobEnvironment& job, const std::vector<std::string>& words) {
  if (job.nodes < 2) return words;
  std::vector<std::string> all = {"srun", fmt::format("--nodes={}", job.nodes), fmt::format("--ntasks={}", job.nodes),
                                  "--ntasks-per-node=1", "--kill-on-bad-exit=1"};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

}  // namespace ckpt::supervisor::slurm
