// SPDX-License-Identifier: Apache-2.0
// A command that runs beside the training: a hook, what unpacks its data.
#pragma once

#include <functional>
#include <string>

#include "block/child.hpp"
#include "block/signal_inbox.hpp"
#include "engine/policy.hpp"

namespace ckpt::supervisor {

// Waits for it and for nothing else. A stop that is asked meanwhile ends it and all that it has started: TERM, five
// seconds or a second ^C, KILL. `what` names it for people; `look`, if given, is called every second. `until`, of the
// monotonic clock, ends it as well.
void wait_for(Child& command, SignalInbox& signals, const std::string& what, const std::function<void()>& look = {},
              double until = engine::no_limit);

}  // namespace ckpt::supervisor
