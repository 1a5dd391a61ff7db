// SPDX-License-Identifier: Apache-2.0
// What the program's environment tells others than libckpt: experiment trackers, frameworks, containers. Only variables
// that their documents name, and none that the user has set, be it to nothing.
#pragma once

#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// 32 letters and digits, of this run for all of its blocks: after its first block's record, which is written once, before
// any program starts. A fork and a run begun anew have another. Empty: there is no such record.
std::string experiment_of(io::FileSystem& fs, const rundir::Layout& layout);

// Weights & Biases and Comet go on with the experiment of that key, where its program names none itself.
std::vector<std::string> tracker_variables(const std::string& experiment);
// --deterministic
std::vector<std::string> determinism_variables();
// `variables` once more, as containers with a clean environment take them over.
std::vector<std::string> container_variables(const std::vector<std::string>& variables);

}  // namespace ckpt::supervisor
