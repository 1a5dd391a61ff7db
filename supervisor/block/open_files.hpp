// SPDX-License-Identifier: Apache-2.0
// Who has a file open, as /proc tells.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ckpt::supervisor {

// One of these processes has the file, or a file in the directory, however deep, open for writing, or mapped as memory that is written to it.
bool is_open_for_writing(const std::string& path, const std::vector<pid_t>& processes) noexcept;

}  // namespace ckpt::supervisor
