// SPDX-License-Identifier: Apache-2.0
#include "chain/ending.hpp"

#include "base/log.hpp"
#include "chain/chain.hpp"

namespace ckpt::supervisor {

int exit_code_of(const Decision& decision, const BlockResult* last, bool blocks_are_jobs) {
  switch (decision.action) {
    case Action::complete:                           // without a block here: complete before this start
      return !last ? 0 : last->signal ? 128 + *last->signal : last->exit_code.value_or(0);
    case Action::fail: return last ? exit_code_of_crash(*last) : exit_stopped_by_us;
    case Action::stop: return exit_stopped_by_us;
    case Action::superseded: return blocks_are_jobs ? 0 : exit_stopped_by_us;
    default: return 0;
  }
}

void say_ending(const Decision& decision, const BlockResult* last, int exit_code) {
  switch (decision.action) {
    case Action::complete:
      if (!last)
        log_info("this run is complete already; nothing to do. --fresh starts it over, --run NAME starts another one, "
                 "--accept-changes goes on with it");
      else if (exit_code != 0) log_warning("complete, although the program's last word was exit code {}", exit_code);
      else log_info("complete");
      break;
    case Action::hand_on:
    case Action::leave: log_info("to be continued: {}; the same command goes on from there", decision.reason); break;
    case Action::fail: log_error("{}", decision.reason); break;
    default: log_error("stopped: {}", decision.reason); break;
  }
}

}  // namespace ckpt::supervisor
