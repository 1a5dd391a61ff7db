// SPDX-License-Identifier: Apache-2.0
// Two snapshots compared by `ckpt diff`, in a process of its own.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "tools/json_text.hpp"

namespace ckpt::verify {

struct StateDifference {
  std::size_t arrays = 0;                // that were compared
  std::vector<tools::Json> differing;    // as `ckpt diff --json` tells of them
  std::vector<std::string> values;       // small ones: the paths of those that differ

  bool same() const { return differing.empty() && values.empty(); }
};
// CKPT_ERR_INTERNAL: `ckpt` cannot be run, or does not read them.
StateDifference compare_snapshots(Clock& clock, const std::string& one, const std::string& other);

// "model/weight (f32 8 x 6): 48 of 48 elements, by up to 0.013, the first at [0, 0]"
std::string describe_array(const tools::Json& array);

}  // namespace ckpt::verify
