// SPDX-License-Identifier: Apache-2.0
// A file system that kills its own process, SIGKILL, at a call of which a campaign of kills has said where it is in the
// life of a snapshot; that fails calls at random while it is told to; and that tells at any time where the process is. For executables that link the rooms statically
// (tests/fault/CMakeLists.txt); nothing of it is in the library.
//
// The environment variable MORTAL_VARIABLE (set per executable) names the file through which a campaign and its victim
// talk: seven native 32-bit numbers, in this order. Without the variable nothing happens.
#pragma once

#include <atomic>
#include <cstdint>

namespace ckpt::testing {

enum class Moment : std::uint32_t {   // known by these numbers to test_kill_campaign.py
  none = 0,
  running = 1,             // whatever is none of the following
  claiming = 2,            // a record of blocks/ is being made: a claim, an attachment, an end
  filling = 3,             // the state is being copied into the staging area
  staged = 4,              // about to open the file of the snapshot
  draining = 5,            // about to write to it
  synced = 6,              // about to give it its name
  renamed = 7,             // about to sync the directory
  directory_synced = 8,    // about to make the first call after that
  pruning = 9,             // about to remove an older snapshot, or to sync that
  any = 10,                // as an aim
};

struct MortalWords {
  std::atomic<std::uint32_t> moment;        // where the process is
  std::atomic<std::uint32_t> aim;           // the moment in which it is to die; none: it lives
  std::atomic<std::uint32_t> calls_left;    // it dies at the last of them in that moment
  std::atomic<std::uint32_t> with_parent;   // not 0: its parent dies just before
  std::atomic<std::uint32_t> died;          // the moment in which it did
  std::atomic<std::uint32_t> failing;       // of a thousand calls that change something, so many fail
  std::atomic<std::uint32_t> failed;        // so many have
};
static_assert(sizeof(MortalWords) == 7 * sizeof(std::uint32_t));

}  // namespace ckpt::testing

// For the pack functions of programs: the state is being copied.
extern "C" void mortal_filling();
