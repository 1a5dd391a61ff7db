// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "block/block.hpp"

namespace ckpt::supervisor {

// What the program finds in its environment; `deadline_wall_seconds` may be infinite.
std::vector<std::string> environment_of_block(const BlockPlan& plan, const rundir::Layout& layout,
                                              const std::string& station, double deadline_wall_seconds);

}  // namespace ckpt::supervisor
