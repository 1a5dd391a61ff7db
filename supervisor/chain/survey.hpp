// SPDX-License-Identifier: Apache-2.0
// What is known of a run before the next decision: who owns it, what it has saved, how its newest blocks ended. Where
// blocks are jobs all of that is on disk; the blocks of this ckptrun, its caller knows better.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "block/block.hpp"
#include "chain/outlook.hpp"
#include "chain/scheduler.hpp"
#include "chain/step.hpp"

namespace ckpt::supervisor {

class Survey {
 public:
  // `scheduler`: of the job around this; null: there is none.
  Survey(const RunAccess& run, bool blocks_are_jobs, Scheduler* scheduler)
      : run_(run), blocks_are_jobs_(blocks_are_jobs), scheduler_(scheduler) {}

  // Everything but the time left. `blocks_here`: how many of facts.ended this ckptrun ran itself, the last ones.
  void look(ChainFacts& facts, std::size_t blocks_here);
  void look_at_snapshots(ChainFacts& facts) const;
  void look_ahead(const ChainFacts& facts);

  std::uint64_t newest_block = 0;            // as the owner was looked for
  Outlook outlook;
  std::vector<BlockResult> closed;           // blocks that left no word, for the next ledger

 private:
  void settle_wordless_block(const ChainFacts& facts);
  void read_newest_block(ChainFacts& facts);
  void read_chain_of_jobs(ChainFacts& facts);

  const RunAccess& run_;
  bool blocks_are_jobs_;
  Scheduler* scheduler_;
};

}  // namespace ckpt::supervisor
