// SPDX-License-Identifier: Apache-2.0
// A command of the user's when the chain is over: a mail, the next job, an evaluation.
#pragma once

#include <optional>
#include <string>

#include "block/signal_inbox.hpp"
#include "chain/identity.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

struct Hooks {
  std::string on_complete, on_stop;   // shell commands; empty: none
};

struct ChainEnd {
  bool complete = false;              // else stopped: going on makes no sense
  std::string reason;
  std::optional<rundir::SnapshotId> newest;
};

// Runs the one that fits by `sh -c`, with CKPT_RUN, CKPT_RUN_DIR, CKPT_OUTCOME (complete, stopped), CKPT_REASON and
// CKPT_STEP, and waits for it. A stop that is asked meanwhile ends it and all that it has started: TERM, five
// seconds or a second ^C, KILL. What it exits with changes nothing but a warning.
void run_hook(const Hooks& hooks, const RunIdentity& run, const ChainEnd& end, SignalInbox& signals);

}  // namespace ckpt::supervisor
