// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "base/log.hpp"
#include "chain/chain.hpp"
#include "chain/history.hpp"
#include "chain/queue.hpp"

namespace ckpt::supervisor {

void give_up_waiting_tasks(io::FileSystem& fs, const ChainOptions& options) try {
  const rundir::Layout layout(options.run.directory);
  if (!options.blocks_are_jobs || was_begun_by_this_chain(rundir::Blocks(fs, layout, {}))) return;
  Queue queue(fs, *options.scheduler, layout, {});
  const QueueFacts waiting = queue.look().queue;
  if (waiting.waiting == 0) return;
  log_info("the other tasks would be refused as well: {}", queue.cancel(waiting));
} catch (const Error& error) {
  log_warning("what waits of this chain is left as it is: {}", error.what());
}

}  // namespace ckpt::supervisor
