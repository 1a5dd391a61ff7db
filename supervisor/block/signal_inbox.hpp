// SPDX-License-Identifier: Apache-2.0
// The signals of ckptrun as data. They stay blocked in this process and are read from a descriptor, so that nothing
// happens inside a handler and none is lost between two blocks.
#pragma once

#include <csignal>
#include <optional>
#include <string>

namespace ckpt::supervisor {

std::string signal_name(int number);   // "SIGTERM"; "signal 35" where there is no name

class SignalInbox {
 public:
  SignalInbox();     // blocks TERM, INT, USR1, USR2 and CHLD; throws CKPT_ERR_INTERNAL
  ~SignalInbox();    // gives the former mask back
  SignalInbox(const SignalInbox&) = delete;

  int fd() const noexcept { return fd_; }          // readable: call take()
  void take(double monotonic_seconds);

  // A stop asked by TERM, INT, USR1 or USR2, for the whole chain: "SIGTERM to ckptrun". Never taken back.
  const std::optional<std::string>& stop_reason() const noexcept { return stop_reason_; }
  // INT came twice, the second time as a press of its own: end everything now.
  bool stop_now() const noexcept { return stop_now_; }

  // In the forked child, before exec: the former mask; TERM by default; INT, USR1 and USR2 ignored. A Python that is still importing
  // would die of USR1, and ^C reaches the whole foreground group although only ckptrun is meant by it.
  void prepare_child() const noexcept;

 private:
  void take_one(int number, double monotonic_seconds);

  int fd_ = -1;
  sigset_t former_mask_{};
  std::optional<std::string> stop_reason_;
  std::optional<double> first_interrupt_;
  bool stop_now_ = false;
};

}  // namespace ckpt::supervisor
