// SPDX-License-Identifier: Apache-2.0
// What a chain does next. Pure: facts and an event in, a decision and its reason out; no clock, no disk, no process.
//
// Rules (the first that applies):
//   starting   the owner may be alive     wait for it
//              the run is complete        complete (unless it is reopened)
//              a block is known too short  stop, with the arithmetic
//              else                       resume the newest snapshot, or start fresh
//   ended      finished                   complete
//              a newer block exists       stop: that one goes on
//              somebody asked to stop     leave, to be continued; a crash then is not retried either
//              stopped, or time was up    continue if there is a newer state than at its start, else stop: no progress
//              crashed                    nothing to resume: fail. Second time without a newer durable state: stop.
//                                         Else retry.
// A program that is only wrapped has no state that ckptrun knows; its exit code 85 is taken as its word that it has
// one. So its crash is retried only when a block of this run ended so before, and blocks that end so at once, again and
// again, stop the chain.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/process_identity.hpp"
#include "block/outcome.hpp"

namespace ckpt::supervisor {

constexpr std::size_t short_blocks_allowed = 5;
constexpr double short_block_seconds = 10;

struct ChainFacts {
  OwnerState owner = OwnerState::gone;
  std::string owner_text;                          // for people
  bool complete = false;                           // the newest block is recorded as finished
  bool reopened = false;                           // the user's explicit word to go on all the same
  bool continued_before = false;                   // the newest block before this ckptrun ended "to be continued"
  bool ever_had_snapshots = false;
  std::optional<rundir::SnapshotId> newest;        // durable
  double block_seconds = engine::no_limit;
  engine::Costs earlier_costs;                     // measured in earlier blocks
  std::vector<BlockResult> ended;                  // blocks of this ckptrun, oldest first: an explicit start counts anew
};

enum class Event { starting, block_ended };

enum class Action {
  start_fresh,
  resume,            // from facts.newest
  retry,             // the same after a crash
  wait_for_owner,
  complete,
  leave,             // to be continued, by somebody's wish
  stop,              // our decision
  fail,              // a crash that a retry cannot help
};
const char* name(Action action) noexcept;

struct Decision {
  Action action = Action::stop;
  std::string reason;
};

Decision decide(const ChainFacts& facts, Event event);

}  // namespace ckpt::supervisor
