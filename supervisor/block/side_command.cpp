// SPDX-License-Identifier: Apache-2.0
#include "block/side_command.hpp"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "block/process_tree.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double grace_seconds = 5;   // between TERM and KILL
constexpr int look_milliseconds = 1000;

// A stop that is asked meanwhile is for it, and for all that it has started; a warning of the job's end is not.
class SideCommand {
 public:
  SideCommand(Child& command, SignalInbox& signals, const std::string& what, const std::function<void()>& look, double until)
      : command_(command), signals_(signals), what_(what), tell_(look), until_(until), asked_before_(signals.stops_asked()) {}

  void wait() {
    while (kill_at_ ? any_left_ : !command_.ended()) {
      if (!kill_at_ && signals_.stops_asked() > asked_before_) ask_to_end("; ^C once more ends it at once");
      if (!kill_at_ && now() >= until_) ask_to_end(": the time of this job is up");
      if (kill_at_ && (signals_.stop_now() || now() >= *kill_at_)) return kill();
      look();
    }
  }

 private:
  static double now() { return system_clock().monotonic_seconds(); }

  void look() {
    pollfd polled{signals_.fd(), POLLIN, 0};
    ::poll(&polled, 1, milliseconds_to_wait());
    signals_.take(now());
    any_left_ = command_.reap();
    if (tell_) tell_();
  }

  int milliseconds_to_wait() const {
    if (kill_at_) return static_cast<int>(std::max(0.0, *kill_at_ - now()) * 1000) + 1;
    return tell_ || until_ < engine::no_limit ? look_milliseconds : -1;
  }

  void ask_to_end(const char* why_or_how) {
    log_info("{} is asked to end{}", what_, why_or_how);
    kill_at_ = now() + grace_seconds;
    for (const pid_t pid : descendants()) ::kill(pid, SIGTERM);
  }

  void kill() {
    log_warning("{} did not end, and is killed", what_);
    end_descendants(system_clock(), 0, [this] { return command_.reap(); });
  }

  Child& command_;
  SignalInbox& signals_;
  const std::string& what_;
  const std::function<void()>& tell_;
  const double until_;
  const std::size_t asked_before_;
  std::optional<double> kill_at_;
  bool any_left_ = true;
};

}  // namespace

void wait_for(Child& command, SignalInbox& signals, const std::string& what, const std::function<void()>& look, double until) {
  SideCommand(command, signals, what, look, until).wait();
}

}  // namespace ckpt::supervisor
