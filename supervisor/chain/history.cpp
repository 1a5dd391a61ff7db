// SPDX-License-Identifier: Apache-2.0
#include "chain/history.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/environment.hpp"
#include "block/result_record.hpp"
#include "rundir/json_fields.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::supervisor {
namespace {

using nlohmann::json;
using rundir::text_in;
using Events = std::vector<json>;

// Decisions look back to the newest block that made progress, and at so many blocks in a row.
constexpr std::size_t blocks_always_read = short_blocks_allowed;

const json* last_event(const Events& events, std::string_view wanted) {
  const auto is_wanted = [&](const json& line) { return text_in(line, "event") == wanted; };
  const auto found = std::find_if(events.rbegin(), events.rend(), is_wanted);
  return found == events.rend() ? nullptr : &*found;
}

std::optional<Conclusion> conclusion_in(const Events& events, std::uint64_t block, const rundir::Blocks& blocks) {
  const json* decision = last_event(events, "decision");
  const auto action = decision ? parse_action(text_in(*decision, "decision")) : std::nullopt;
  if (!action || !concludes(*action)) return std::nullopt;
  const auto claim = blocks.read_claim(block);
  return Conclusion{*action, text_in(*decision, "reason"), block, claim ? claim->array_id : ""};
}

// What later blocks found out about those that left no word.
void take_closed(const Events& events, std::map<std::uint64_t, BlockResult>& closed) {
  for (const json& line : events) {
    if (text_in(line, "event") != "closed") continue;
    if (auto result = parse_result(line)) closed.emplace(result->block, std::move(*result));
  }
}

std::optional<BlockResult> result_in(const Events& events, std::uint64_t block,
                                     const std::map<std::uint64_t, BlockResult>& closed) {
  if (const json* ended = last_event(events, "ended")) return parse_result(*ended);
  const auto found = closed.find(block);
  return found == closed.end() ? std::nullopt : std::optional(found->second);
}

std::optional<rundir::SnapshotId> resumed_from(const Events& events) {
  const json* started = last_event(events, "started");
  const json resume = started ? rundir::object_in(*started, "resume") : json::object();
  const auto block = rundir::count_in(resume, "block"), step = rundir::count_in(resume, "step");
  return block && step ? std::optional(rundir::SnapshotId{*block, *step}) : std::nullopt;
}

// Programs that write their own are as far as the newest whole one that was seen.
void take_own_checkpoints(const Events& events, BlockResult& result) {
  const json* started = last_event(events, "started");
  result.keeps_own = !result.linked && started && started->value("keeps_own", json(false)) == true;
  if (!result.keeps_own) return;
  result.own_from = result.own_newest = checkpoints::parse_version(rundir::object_in(*started, "own_from"));
  if (const json* newest = last_event(events, "checkpoint")) result.own_newest = checkpoints::parse_version(*newest);
}

bool reached_point(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block,
                   const std::vector<rundir::Attachment>& attachments) {
  return std::any_of(attachments.begin(), attachments.end(), [&](const rundir::Attachment& program) {
    return program.linked && last_event(rundir::read_ledger(fs, layout.program_ledger(block, program.who.pid)), "first_point");
  });
}

}  // namespace

bool was_begun_by_this_chain(const rundir::Blocks& blocks) {
  const JobEnvironment job = read_job_environment();
  const auto claim = blocks.read_claim(blocks.newest());
  if (!claim || job.id.empty() || claim->cluster != job.cluster) return false;
  return job.array_id.empty() ? claim->job_id == job.id : claim->array_id == job.array_id;
}

History read_history(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Blocks& blocks) {
  History history;
  std::map<std::uint64_t, BlockResult> closed;
  const std::uint64_t newest = blocks.newest();
  bool progress_seen = false;
  for (std::uint64_t block = newest; block > 0; --block) {
    if (progress_seen && history.ended.size() >= blocks_always_read) break;
    const Events events = rundir::read_ledger(fs, layout.ckptrun_ledger(block));
    const auto conclusion = conclusion_in(events, block, blocks);
    if (conclusion && block == newest) history.concluded = conclusion;
    if (conclusion) break;
    take_closed(events, closed);
    if (auto result = result_in(events, block, closed)) {
      progress_seen = progress_seen || made_progress(*result);
      history.ended.push_back(std::move(*result));
    }
  }
  std::reverse(history.ended.begin(), history.ended.end());
  return history;
}

BlockResult reconstruct(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Blocks& blocks,
                        std::uint64_t block, const std::optional<rundir::SnapshotId>& newest) {
  const auto attachments = blocks.read_attachments(block);
  BlockResult result;
  result.block = block;
  result.linked = std::any_of(attachments.begin(), attachments.end(), [](const auto& one) { return one.linked; });
  const Events events = rundir::read_ledger(fs, layout.ckptrun_ledger(block));
  result.resumed_from = resumed_from(events);
  take_own_checkpoints(events, result);
  result.newest = newest;
  result.reached_point = (newest && newest->block == block) || reached_point(fs, layout, block, attachments);
  if (const auto claim = blocks.read_claim(block); claim && claim->block_seconds > 0) result.whole_seconds = claim->block_seconds;
  return result;
}

}  // namespace ckpt::supervisor
