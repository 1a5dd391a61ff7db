// SPDX-License-Identifier: Apache-2.0
// The signals of ckptrun as data. They stay blocked in this process and are read from a descriptor, so that nothing
// happens inside a handler and none is lost between two blocks.
#pragma once

#include <csignal>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.hpp"

namespace ckpt::supervisor {

std::string signal_name(int number);   // "SIGTERM"; "signal 35" where there is no name

class SignalInbox {
 public:
  // Blocks TERM, INT, USR1, USR2, CHLD, WINCH, and HUP unless it is ignored (nohup). Throws CKPT_ERR_INTERNAL.
  SignalInbox();
  ~SignalInbox();    // gives the former mask back
  SignalInbox(const SignalInbox&) = delete;

  int fd() const noexcept { return fd_; }          // readable: call take()
  void take(double monotonic_seconds);
  void wait(Clock& clock, double seconds);         // or until one comes, which is taken

  // A stop asked by TERM, INT, USR1, USR2 or HUP (the terminal is gone), for the whole chain: "SIGTERM to ckptrun". Never taken back.
  const std::optional<std::string>& stop_reason() const noexcept { return stop_reason_; }
  // How often it was asked so far, USR1 and USR2 not counted: they may be a warning.
  std::size_t stops_asked() const noexcept { return stops_asked_; }
  // So far it was USR1 or USR2 alone: what schedulers warn with.
  bool only_warned() const noexcept { return stop_reason_ && stops_asked_ == 0; }
  bool interrupted() const noexcept { return first_interrupt_.has_value(); }   // by INT: ^C
  // INT came twice, the second time as a press of its own: end everything now.
  bool stop_now() const noexcept { return stop_now_; }
  // The terminal's window has another size; told once.
  bool take_window_change() noexcept { return std::exchange(window_changed_, false); }

  // In the forked child, before exec: the former mask; TERM by default; INT, USR1, USR2 and HUP ignored. A Python that is
  // still importing would die of USR1; ^C and the end of a terminal reach the whole foreground group although only ckptrun
  // is meant by them.
  void prepare_child() const noexcept;
  // Not ignored by it: its stop signal. Some libraries install their handler only where nobody has changed the default.
  void leave_to_program(int number) noexcept { programs_own_ = number; }

 private:
  void take_one(int number, double monotonic_seconds);

  int fd_ = -1;
  sigset_t former_mask_{};
  std::optional<std::string> stop_reason_;
  std::optional<double> first_interrupt_;
  std::size_t stops_asked_ = 0;
  bool stop_now_ = false, window_changed_ = false;
  int programs_own_ = 0;
  void (*former_pipe_)(int) = nullptr;
};

}  // namespace ckpt::supervisor
