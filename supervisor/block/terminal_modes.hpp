// SPDX-License-Identifier: Apache-2.0
// The modes of the terminal behind standard input. ckptrun never changes them, but a program that is killed while it asks
// for a password leaves its terminal without echo: it gets back the modes it had.
#pragma once

#include <termios.h>

namespace ckpt::supervisor {

class TerminalModes {
 public:
  TerminalModes();    // remembers; without a terminal there is nothing to do
  ~TerminalModes();   // gives back what has changed, unless another job of the shell has the terminal now
  TerminalModes(const TerminalModes&) = delete;

 private:
  termios modes_{};
  bool known_ = false;   // after what it is about
};

}  // namespace ckpt::supervisor
