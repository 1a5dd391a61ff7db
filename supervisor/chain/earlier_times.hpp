// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/policy.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// What `block` measured, by its ledger, if it ended without a newer state than it resumed from. Zeros otherwise: a step
// that was done and saved fits a block, whatever the pessimistic estimate says.
engine::Costs costs_without_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block);

}  // namespace ckpt::supervisor
