// SPDX-License-Identifier: Apache-2.0
// What a block says first and a job says last: for somebody who opens the log of one job of many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "chain/outlook.hpp"
#include "chain/step.hpp"

namespace ckpt::supervisor {

// The chain ended without its work being done.
bool is_bad(Action action) noexcept;

// "block 4 of about 12 starts from step 41200 (block 3), epoch 36.5 of 300, 23 h 58 min left"
std::string first_line(std::uint64_t block, const std::string& from, const Outlook& outlook, double seconds_left);

// What ended it, the newest snapshot (or the newest checkpoint of the program's own), what runs next and what to do:
// "to be continued: block 4 ended after 23 h 40 min:
// stopped at step 52000; newest snapshot: step 52000 (block 4), epoch 46 of 300; it goes on with the 3 waiting tasks of
// array 4711; nothing to do". `last`: the block of this job; null: there was none.
std::string last_line(const Decision& decision, const BlockResult* last, const std::optional<rundir::SnapshotId>& newest,
                      const std::string& progress, const std::string& next);

}  // namespace ckpt::supervisor
