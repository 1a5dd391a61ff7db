// SPDX-License-Identifier: Apache-2.0
#include "chain/survey.hpp"

#include <unistd.h>

#include <utility>

#include "base/environment.hpp"
#include "chain/earlier_times.hpp"
#include "chain/history.hpp"
#include "chain/job_step.hpp"
#include "rundir/submissions.hpp"

namespace ckpt::supervisor {

void Survey::look(ChainFacts& facts, std::size_t blocks_here) {
  const rundir::Ownership ownership = run_.blocks.ownership();
  facts.owner = ownership.state;
  facts.owner_text = ownership.owner;
  newest_block = ownership.newest_block;
  look_at_snapshots(facts);
  if (newest_block == 0 || ownership.state != OwnerState::gone) return;
  settle_wordless_block(facts);
  if (blocks_here == 0) read_newest_block(facts);
}

void Survey::look_at_snapshots(ChainFacts& facts) const {
  const auto entries = run_.catalog.list();
  facts.newest = entries.empty() ? std::nullopt : std::optional(entries.front().id);
  facts.ever_had_snapshots = run_.catalog.ever_had_snapshots();
  facts.has_kept = !run_.catalog.kept().empty();
}

void Survey::look_ahead(const ChainFacts& facts) {
  outlook = supervisor::look_ahead(run_.fs, run_.layout, facts.block_seconds);
}

void Survey::read_newest_block(ChainFacts& facts) {
  const auto end = run_.blocks.read_end(newest_block);
  facts.complete = end && end->outcome == rundir::Outcome::finished;
  facts.continued_before = end && end->outcome == rundir::Outcome::stopped;
  facts.earlier_costs = costs_without_progress(run_.fs, run_.layout, newest_block);
  if (blocks_are_jobs_) read_chain_of_jobs(facts);
}

// The blocks before this one ran in other jobs: what they knew is in their ledgers.
void Survey::read_chain_of_jobs(ChainFacts& facts) {
  History history = read_history(run_.fs, run_.layout, run_.blocks);
  facts.ended = std::move(history.ended);
  facts.concluded.reset();
  const std::string array_id = read_job_environment().array_id;
  if (history.concluded && !array_id.empty() &&
      are_of_one_chain(rundir::read_submissions(run_.fs, run_.layout.directory()), history.concluded->array_id, array_id))
    facts.concluded = history.concluded;
  look_ahead(facts);
  facts.expected_costs = outlook.costs;
  facts.judge_last = !closed.empty();
  facts.ended.insert(facts.ended.end(), closed.begin(), closed.end());
}

// The newest block's owner is gone and left no end: killed, or its machine failed. Whoever comes next says why.
void Survey::settle_wordless_block(const ChainFacts& facts) {
  const std::uint64_t block = newest_block;
  if (run_.blocks.read_end(block)) return;
  const auto claim = run_.blocks.read_claim(block);
  const JobEnd how = scheduler_ && claim ? scheduler_->how_ended(*claim) : JobEnd::unknown;
  BlockResult result = reconstruct(run_.fs, run_.layout, run_.blocks, block, facts.newest);
  result.outcome = is_blameless(how) ? rundir::Outcome::abandoned : rundir::Outcome::crashed;
  result.reason = describe(how);
  if (how == JobEnd::timeout) result.asked = StopCause::deadline;
  if (how == JobEnd::out_of_memory) result.crash = CrashKind::memory;
  const std::optional<std::uint64_t> step = result.newest ? std::optional(result.newest->step) : std::nullopt;
  run_.blocks.write_end(block, {result.outcome, result.reason, "ckptrun", ::getpid(), step, std::nullopt, std::nullopt,
                                run_.clock.wall_seconds()});
  if (!is_blameless(how)) closed.push_back(std::move(result));
}

}  // namespace ckpt::supervisor
