// SPDX-License-Identifier: Apache-2.0
// A job script may run several runs, one after the other; then their blocks share an array, and the first of them to be
// complete must not cancel what the others still need.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::supervisor::slurm {

// The words that a shell script gives to ckptrun --run, in their order. What a variable names only the shell knows: left out.
std::vector<std::string> runs_named_in(std::string_view script);

// A run, by the name of its directory, that goes on in one of these arrays: one beside `run_directory` whose newest block
// was a task of them, or one that the script of this job names, be it begun or not. Empty: none.
std::string other_run_in(io::FileSystem& fs, const std::string& run_directory, const std::vector<std::string>& arrays,
                         std::string_view script);

}  // namespace ckpt::supervisor::slurm
