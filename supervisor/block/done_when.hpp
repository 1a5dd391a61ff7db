// SPDX-License-Identifier: Apache-2.0
// The user's own word on when the work of a program without libckpt is complete: a shell command.
#pragma once

#include <string>

#include "block/block.hpp"

namespace ckpt::supervisor {

// Whether `sh -c command` ends with 0, with CKPT_RUN and CKPT_RUN_DIR in its environment. A stop that is asked meanwhile
// ends it, and then it is not. One that cannot be asked is told as a warning.
bool is_done(const RunAccess& run, const BlockPlan& plan);

}  // namespace ckpt::supervisor
