// SPDX-License-Identifier: Apache-2.0
// From "this command" to an open run directory: made, moved aside, or refused.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "chain/identity.hpp"
#include "io/file_system.hpp"
#include "rundir/blocks.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

// What a person can type about a run in use: "to end it type: ckpt stop DIR", or ckpt unlock for an owner unseen.
std::string how_to_free(OwnerState owner, const rundir::Layout& layout);

// --no-wait: CKPT_ERR_IN_USE.
[[noreturn]] void refuse_to_wait(const rundir::Layout& layout, OwnerState owner, const std::string& owner_text);

// --fresh: whether something is there to be moved; refuses as moving it does, and moves nothing.
bool may_move_old_run(io::FileSystem& fs, const rundir::Layout& layout, const rundir::DirectoryRules& rules);
// --fresh: the run that is there becomes NAME.old-DATE, whole. CKPT_ERR_IN_USE while its owner is, or may be, alive.
// Returns the new directory, or "" when there was nothing.
std::string move_old_run_aside(io::FileSystem& fs, Clock& clock, const rundir::Layout& layout,
                               const rundir::DirectoryRules& rules);

// What differs from the command that the run was started with, which is refused (CKPT_ERR_CONFIG) unless `accept_changes`;
// "" when none is recorded, nullopt when it is the same: otherwise run.json must be written with this one.
std::optional<std::string> check_command(io::FileSystem& fs, const rundir::Layout& layout,
                                         const std::vector<std::string>& command, bool accept_changes);
void write_run(io::FileSystem& fs, Clock& clock, const rundir::Layout& layout, rundir::Permissions permissions,
               const std::string& name, const std::vector<std::string>& command);

// Warns when `keep` + 1 snapshots of the size of the newest one do not fit the free space.
void warn_if_space_is_short(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t newest_size_bytes,
                            std::size_t snapshots_there, std::size_t keep);

}  // namespace ckpt::supervisor
