// SPDX-License-Identifier: Apache-2.0
#include "chain/hook.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "block/child.hpp"
#include "block/outcome.hpp"
#include "block/process_tree.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double grace_seconds = 5;   // between TERM and KILL

std::vector<std::string> environment_of(const RunIdentity& run, const ChainEnd& end) {
  return child_environment({"CKPT_RUN=" + run.name, "CKPT_RUN_DIR=" + run.directory,
                            std::string("CKPT_OUTCOME=") + (end.complete ? "complete" : "stopped"),
                            "CKPT_REASON=" + end.reason,
                            end.newest ? fmt::format("CKPT_STEP={}", end.newest->step) : "CKPT_STEP"});
}

// A stop that is asked meanwhile is for it, and for all that it has started; a warning of the job's end is not.
class RunningHook {
 public:
  RunningHook(Child& hook, SignalInbox& signals, const std::string& what)
      : hook_(hook), signals_(signals), what_(what), asked_before_(signals.stops_asked()) {}

  void wait() {
    while (kill_at_ ? any_left_ : !hook_.ended()) {
      if (!kill_at_ && signals_.stops_asked() > asked_before_) ask_to_end();
      if (kill_at_ && (signals_.stop_now() || now() >= *kill_at_)) return kill();
      look();
    }
  }

 private:
  static double now() { return system_clock().monotonic_seconds(); }

  void look() {
    pollfd polled{signals_.fd(), POLLIN, 0};
    ::poll(&polled, 1, kill_at_ ? static_cast<int>(std::max(0.0, *kill_at_ - now()) * 1000) + 1 : -1);
    signals_.take(now());
    any_left_ = hook_.reap();
  }

  void ask_to_end() {
    log_info("{} is asked to end; ^C once more ends it at once", what_);
    kill_at_ = now() + grace_seconds;
    for (const pid_t pid : descendants()) ::kill(pid, SIGTERM);
  }

  void kill() {
    log_warning("{} did not end, and is killed", what_);
    end_descendants(system_clock(), 0, [this] { return hook_.reap(); });
  }

  Child& hook_;
  SignalInbox& signals_;
  const std::string& what_;
  const std::size_t asked_before_;
  std::optional<double> kill_at_;
  bool any_left_ = true;
};

}  // namespace

void run_hook(const Hooks& hooks, const RunIdentity& run, const ChainEnd& end, SignalInbox& signals) try {
  const std::string& command = end.complete ? hooks.on_complete : hooks.on_stop;
  if (command.empty()) return;
  Child hook("/bin/sh", {"sh", "-c", command}, environment_of(run, end), signals);
  hook.release();
  const std::string what = fmt::format("--on-{} '{}'", end.complete ? "complete" : "stop", command);
  RunningHook(hook, signals, what).wait();
  if (hook.exit_code() != 0) log_warning("{} ended with {}", what, describe_exit(hook.exit_code(), hook.signal()));
} catch (const Error& error) {
  log_warning("--on-{} is not run: {}", end.complete ? "complete" : "stop", error.what());
}

}  // namespace ckpt::supervisor
