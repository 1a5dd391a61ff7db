// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/request.hpp"

namespace ckpt::plan {

constexpr int exit_done = 0, exit_error = 125;

// Does what is asked and answers ckptplan's exit code. Throws Error for what is refused or does not work.
int act(const Request& request);

}  // namespace ckpt::plan
