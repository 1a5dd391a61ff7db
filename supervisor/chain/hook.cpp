// SPDX-License-Identifier: Apache-2.0
#include "chain/hook.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/outcome.hpp"
#include "block/side_command.hpp"

namespace ckpt::supervisor {
namespace {

std::vector<std::string> environment_of(const RunIdentity& run, const ChainEnd& end) {
  return child_environment({"CKPT_RUN=" + run.name, "CKPT_RUN_DIR=" + run.directory,
                            std::string("CKPT_OUTCOME=") + (end.complete ? "complete" : "stopped"),
                            "CKPT_REASON=" + end.reason,
                            end.newest ? fmt::format("CKPT_STEP={}", end.newest->step) : "CKPT_STEP"});
}

}  // namespace

void run_hook(const Hooks& hooks, const RunIdentity& run, const ChainEnd& end, SignalInbox& signals) try {
  const std::string& command = end.complete ? hooks.on_complete : hooks.on_stop;
  if (command.empty()) return;
  Child hook("/bin/sh", {"sh", "-c", command}, environment_of(run, end), signals);
  hook.release();
  const std::string what = fmt::format("--on-{} '{}'", end.complete ? "complete" : "stop", command);
  wait_for(hook, signals, what);
  if (hook.exit_code() != 0) log_warning("{} ended with {}", what, describe_exit(hook.exit_code(), hook.signal()));
} catch (const Error& error) {
  log_warning("--on-{} is not run: {}", end.complete ? "complete" : "stop", error.what());
}

}  // namespace ckpt::supervisor
