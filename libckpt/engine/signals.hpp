// SPDX-License-Identifier: Apache-2.0
// SIGTERM, SIGUSR1 and SIGUSR2 as requests to stop. The handler sets a flag and does nothing else; saving happens at the
// next safe point. A signal for which the program has its own handler, or which it ignores, is left alone.
#pragma once

namespace ckpt::engine {

class SignalRequests {
 public:
  explicit SignalRequests(bool handle);   // installs for as long as at least one object handles
  ~SignalRequests();
  SignalRequests(const SignalRequests&) = delete;
  SignalRequests& operator=(const SignalRequests&) = delete;

  // The last such signal since the first object was made, or 0. Any thread.
  static int pending() noexcept;

  // In a forked child: our handlers are gone, the signals do what they do by default. Async-signal-safe.
  static void leave_to_child() noexcept;

 private:
  bool handle_;
};

}  // namespace ckpt::engine
