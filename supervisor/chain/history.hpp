// SPDX-License-Identifier: Apache-2.0
// The blocks of a chain of jobs that ended before this one, as their ledgers tell. Each was another process, so this is
// all that the next one knows of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "block/outcome.hpp"
#include "chain/step.hpp"
#include "rundir/blocks.hpp"

namespace ckpt::supervisor {

struct History {
  // Oldest first, back to the block whose ckptrun ended the chain before this one, and no further than a decision looks.
  std::vector<BlockResult> ended;
  std::optional<Conclusion> concluded;     // by the newest block
};

// Whether the newest block was a task of this job's array, or this very job before it was put back into the queue.
bool was_begun_by_this_chain(const rundir::Blocks& blocks);

History read_history(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Blocks& blocks);

// A block that left no word, as far as its ledgers and the catalog tell. Its outcome and reason are the caller's.
BlockResult reconstruct(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Blocks& blocks,
                        std::uint64_t block, const std::optional<rundir::SnapshotId>& newest);

}  // namespace ckpt::supervisor
