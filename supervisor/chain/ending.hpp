// SPDX-License-Identifier: Apache-2.0
// How a ckptrun ends: its exit code, and what it says where the whole chain ran here.
#pragma once

#include "block/outcome.hpp"
#include "chain/step.hpp"

namespace ckpt::supervisor {

// `last`: the last block of this ckptrun; null: there was none.
int exit_code_of(const Decision& decision, const BlockResult* last, bool blocks_are_jobs);
void say_ending(const Decision& decision, const BlockResult* last, int exit_code);

}  // namespace ckpt::supervisor
