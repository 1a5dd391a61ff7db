// SPDX-License-Identifier: Apache-2.0
// What lies beside a checkpoint that is a directory, and tells what is missing in it.
#pragma once

#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::checkpoints {

// The directories whose names differ from this one's by numbers only: checkpoints of the same program.
std::vector<std::string> checkpoints_beside(io::FileSystem& fs, const std::string& path);
// Where nothing marks the end: what more than half of the others have, this one will have, too. Throws Broken.
void check_is_like_others(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::checkpoints
