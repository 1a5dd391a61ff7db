// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt::supervisor::slurm {

// Why sbatch refused, and what to do about it: "…: Invalid partition name specified; sinfo lists the partitions".
// A reason that is not known stays as it is.
std::string with_remedy(const std::string& reason);

}  // namespace ckpt::supervisor::slurm
