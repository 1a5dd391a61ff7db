// SPDX-License-Identifier: Apache-2.0
// What a block runs with besides its command: code, libraries, GPUs. As far as that can be seen from outside, quickly,
// without running anything. Each block's ledger holds it, so that the next one can tell what has changed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// Name -> value, for people where it can be: {"GPU": "NVIDIA H100", "commit": "1f2e…", "train.py": "content 9a…"}.
using Surroundings = std::map<std::string, std::string>;

// `program`: the file that is executed; empty where it is not there yet. Of the command the first word that is a file counts
// as the script, and for Python all sources beside it. `proc`: where the kernel tells of GPUs.
Surroundings look_around(const std::string& program, const std::vector<std::string>& command,
                         const std::string& proc = "/proc");

// "train.py has changed; GPU: was NVIDIA A100, now NVIDIA H100"; empty: nothing has. What only one knows is no change.
std::string describe_change(const Surroundings& before, const Surroundings& now);

// Of the newest block at or before `block` whose ledger tells; empty: none of the last ones does.
Surroundings surroundings_of(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block);

// --strict: CKPT_ERR_CONFIG when something has changed since that block.
void refuse_changes(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block, const Surroundings& now);

}  // namespace ckpt::supervisor
