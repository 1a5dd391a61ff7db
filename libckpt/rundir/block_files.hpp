// SPDX-License-Identifier: Apache-2.0
// What is in blocks/, by names alone.
#pragma once

#include <cstdint>
#include <vector>

#include "rundir/layout.hpp"

namespace ckpt::rundir {

std::vector<BlockFile> list_block_files(io::FileSystem& fs, const Layout& layout);

// Highest number of a claim. Nothing else counts: a late writer may leave other files in a run that took the place of
// its own.
std::uint64_t newest_claim(const std::vector<BlockFile>& files);
// Highest number of any file. A purge may have taken claims only: a number with traces must not be used twice.
std::uint64_t newest_trace(const std::vector<BlockFile>& files);

}  // namespace ckpt::rundir
