// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/policy.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// What `block` measured, by its ledger; zeros where it says nothing.
engine::Costs costs_of_block(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block);

}  // namespace ckpt::supervisor
