// SPDX-License-Identifier: Apache-2.0
// What a chain does next. Pure: facts and an event in, a decision and its reason out; no clock, no disk, no process.
//
// Rules (the first that applies):
//   starting   the owner may be alive     wait for it
//              the run is complete        complete (unless it is reopened)
//              the chain was ended        as it was: this is a job that was still waiting then
//              the last block left no word and its job ended badly   as after that end
//              a block is known too short  stop, with the arithmetic
//              too little of the job is left   hand on to the next one, which has more
//              else                       resume the newest snapshot, or start fresh
//   ended      finished                   complete
//              a newer block exists       superseded: that one goes on
//              somebody asked to stop     leave, to be continued; a crash then is not retried either
//              cut short from outside     continue: it says nothing about the program
//              stopped, or time was up    continue if there is a newer state than at its start, else stop: no progress
//              crashed                    nothing to resume: fail. Second time without a newer durable state, or at the
//                                         same step: stop. Else retry.
// A program that is only wrapped has its checkpoints (--latest) where one that links libckpt has its snapshots. Without
// them ckptrun knows of no state; its exit code 85 is taken as its word that it has one. So its crash is retried only when
// a block of this run ended so before, and blocks that end so at once, again and again, stop the chain.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/process_identity.hpp"
#include "block/outcome.hpp"

namespace ckpt::supervisor {

constexpr std::size_t short_blocks_allowed = 5;
constexpr double short_block_seconds = 10;

enum class Action {
  start_fresh,
  resume,            // from facts.newest
  retry,             // the same after a crash
  wait_for_owner,
  complete,
  hand_on,           // to be continued by the next job: this one cannot
  leave,             // to be continued, by somebody's wish
  superseded,        // to be continued by a newer block
  stop,              // our decision
  fail,              // a crash that a retry cannot help
};
const char* name(Action action) noexcept;
std::optional<Action> parse_action(std::string_view name) noexcept;
// The chain is over with it, as far as this job array goes.
bool concludes(Action action) noexcept;

// The last word of an earlier block about the chain.
struct Conclusion {
  Action action = Action::stop;
  std::string reason;
  std::uint64_t block = 0;
  std::string array_id;
};

struct ChainFacts {
  OwnerState owner = OwnerState::gone;
  std::string owner_text;                          // for people
  bool complete = false;                           // the newest block is recorded as finished
  bool reopened = false;                           // the user's explicit word to go on all the same
  bool continued_before = false;                   // the newest block before this ckptrun ended "to be continued"
  bool ever_had_snapshots = false;
  bool has_kept = false;                           // snapshots under a name, outside retention
  std::optional<rundir::SnapshotId> newest;        // durable
  bool keeps_own = false;                          // the program writes its own checkpoints, where ckptrun looks for them:
  std::optional<checkpoints::Version> checkpoint;  // the newest whole one
  bool had_checkpoints = false;                    // earlier blocks found some
  double block_seconds = engine::no_limit;         // that a block of this chain has
  double seconds_left = engine::no_limit;          // of this job, when it is the block
  engine::Costs earlier_costs;                     // of the newest block, if it made no progress
  engine::Costs expected_costs;                    // as earlier blocks teach; 0 where unknown
  // Blocks of this chain, oldest first: of this ckptrun (an explicit start counts anew), and where blocks are jobs those
  // of the jobs before.
  std::vector<BlockResult> ended;
  bool judge_last = false;                         // the last of them ended badly without anybody who decided then
  std::optional<Conclusion> concluded;             // by a block of this very job array
};

enum class Event { starting, block_ended };

struct Decision {
  Action action = Action::stop;
  std::string reason;
};

Decision decide(const ChainFacts& facts, Event event);

}  // namespace ckpt::supervisor
