// SPDX-License-Identifier: Apache-2.0
#include "block/done_when.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/side_command.hpp"

namespace ckpt::supervisor {

bool is_done(const RunAccess& run, const BlockPlan& plan) try {
  constexpr int first_of_the_shell = 126;   // not executable, not found, killed
  Child command("/bin/sh", {"sh", "-c", plan.done_when},
                child_environment({"CKPT_RUN=" + plan.run_name, "CKPT_RUN_DIR=" + run.layout.directory()}), run.signals);
  command.release();
  const std::string what = fmt::format("--done-when '{}'", plan.done_when);
  wait_for(command, run.signals, what);
  if (command.exit_code().value_or(first_of_the_shell) >= first_of_the_shell)
    log_warning("{} gave no answer: {}; that counts as not done", what, describe_exit(command.exit_code(), command.signal()));
  return command.exit_code() == 0;
} catch (const Error& error) {
  log_warning("--done-when '{}' is not run: {}; that counts as not done", plan.done_when, error.what());
  return false;
}

}  // namespace ckpt::supervisor
