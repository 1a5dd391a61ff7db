// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ckpt::supervisor {

// How far one of these processes has come in reading that file, by /proc; nullopt: none has it open, or it is not to be
// seen.
std::optional<std::uint64_t> read_position(const std::vector<pid_t>& processes, const std::string& path);

}  // namespace ckpt::supervisor
