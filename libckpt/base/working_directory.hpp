// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt {

// Where this process stands. Error with the remedy: that folder has been removed, or is out of reach.
std::string working_directory();
// `path` as seen from there; else it stays as it is.
std::string absolute_path(const std::string& path);

}  // namespace ckpt
