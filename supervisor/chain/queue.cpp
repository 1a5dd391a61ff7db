// SPDX-License-Identifier: Apache-2.0
#include "chain/queue.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ckpt::supervisor {
namespace {

std::string tasks_of(const QueueFacts& queue) {
  const std::size_t count = queue.waiting.value_or(0);
  const std::string& array = queue.waits_in.empty() ? queue.array_id : queue.waits_in;
  return count == 1 ? "waiting task of array " + array : fmt::format("{} waiting tasks of array {}", count, array);
}

}  // namespace

JobFacts Queue::look() {
  JobFacts facts;
  facts.queue = scheduler_.queue();
  if (!facts.queue.is_chain.value_or(false)) return facts;
  const auto submissions = rundir::read_submissions(fs_, layout_.directory());
  facts.blocks_may_send = blocks_may_send(submissions, facts.queue.array_id);
  facts.extended_by = extension_of(submissions, facts.queue.array_id);
  return facts;
}

void Queue::secure_next(std::uint64_t blocks_needed, std::uint64_t block) {
  if (rundir::read_submissions(fs_, layout_.directory()).empty()) return;   // nobody planned it: it is not ours to extend
  JobFacts facts = look();
  facts.blocks_needed = blocks_needed;
  const JobStep step = first_in_job(facts);
  if (facts.blocks_needed > 1) --facts.blocks_needed;   // of which this block does one
  if (step.queue == QueueStep::extend) log_info("this is the last task of array {}: {}", facts.queue.array_id, extend(facts, step.blocks, block));
}

std::string Queue::carry_out(const JobStep& step, const JobFacts& facts, std::uint64_t block) {
  const QueueFacts& queue = facts.queue;
  switch (step.queue) {
    case QueueStep::cancel_waiting: return cancel(queue);
    case QueueStep::extend: return extend(facts, step.blocks, block);
    case QueueStep::tell_how_to_extend: return tell(facts, step.blocks);
    case QueueStep::nothing: break;
  }
  if (queue.waiting == 0 && !queue.begun.empty())
    return fmt::format("it goes on with {}, which has begun already; nothing to do", queue.begun);
  if (queue.waiting) return fmt::format("it goes on with the {}; nothing to do", tasks_of(queue));
  return fmt::format("whether a task waits the scheduler does not say now; if none does, {}",
                     how_to_go_on(std::max<std::uint64_t>(facts.blocks_needed, 1)));
}

std::string Queue::cancel(const QueueFacts& queue) {
  if (queue.waiting == 0) return queue.task.empty() ? "nothing more to do" : "no task of its array waits";
  const std::string why_not = scheduler_.cancel_waiting();
  if (!why_not.empty()) return why_not;
  return queue.waiting ? fmt::format("the {} {} cancelled", tasks_of(queue), queue.waiting == 1 ? "is" : "are")
                       : fmt::format("what waits of array {} is cancelled", queue.array_id);
}

// Who claimed before us and left no word may have sent it all the same. Only the newest block of a run comes here, so
// that two cannot do it side by side.
std::string Queue::extend(const JobFacts& facts, std::uint64_t blocks, std::uint64_t block) try {
  const std::string by = fmt::format("block {}", block);
  if (rundir::claim_extension(fs_, layout_.directory(), facts.queue.array_id, by, permissions_)) return send(facts, blocks);
  const Extension before = scheduler_.find_extension();
  if (!before.array_id.empty()) return fmt::format("array {} was sent before, and goes on; nothing to do", before.array_id);
  if (before.why_not.empty()) return send(facts, blocks);
  return fmt::format("whether array {} was extended before cannot be told ({}); if nothing more of it is in the queue, {}",
                     facts.queue.array_id, before.why_not, how_to_go_on(blocks));
} catch (const Error& error) {
  return fmt::format("the chain could not be extended ({}); {}", error.what(), how_to_go_on(blocks));
}

std::string Queue::send(const JobFacts& facts, std::uint64_t blocks) {
  const Extension extension = scheduler_.extend(blocks);
  if (extension.array_id.empty())
    return fmt::format("the chain could not be extended ({}); {}", extension.why_not, how_to_go_on(blocks));
  return fmt::format("array {} with {} more {} goes on; {}", extension.array_id, blocks, blocks == 1 ? "block" : "blocks",
                     facts.blocks_needed > blocks
                         ? fmt::format("about {} are needed, and after these it sends no more by itself", facts.blocks_needed)
                         : "nothing to do");
}

std::string Queue::tell(const JobFacts& facts, std::uint64_t blocks) {
  const std::string array = facts.queue.task.empty() ? "" : " of array " + facts.queue.array_id;
  const std::string extension = facts.extended_by.empty() ? "" : fmt::format(", nor of array {}, which extended it", facts.extended_by);
  return fmt::format("no task waits{}{}; {}", array, extension, how_to_go_on(blocks));
}

std::string Queue::how_to_go_on(std::uint64_t blocks) {
  const std::string line = scheduler_.line_to_extend(blocks);
  return line.empty() ? "the same command in another job goes on" : "to go on type: " + line;
}

}  // namespace ckpt::supervisor
