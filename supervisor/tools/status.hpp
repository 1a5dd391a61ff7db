// SPDX-License-Identifier: Apache-2.0
// A situation in words, in JSON, and in one line.
#pragma once

#include <string>
#include <vector>

#include "tools/json_text.hpp"
#include "tools/situation.hpp"

namespace ckpt::tools {

std::vector<std::string> status_lines(const Situation& now);
Json status_json(const Situation& now);
// "running  block 4  epoch 37.20 of 300 (12 %)  snapshot step 41200": without what changes every second.
std::string status_line(const Situation& now);

}  // namespace ckpt::tools
