// SPDX-License-Identifier: Apache-2.0
#include "block/terminal_modes.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>

namespace ckpt::supervisor {
namespace {

bool are_equal(const termios& one, const termios& other) {
  return one.c_iflag == other.c_iflag && one.c_oflag == other.c_oflag && one.c_cflag == other.c_cflag &&
         one.c_lflag == other.c_lflag && std::equal(std::begin(one.c_cc), std::end(one.c_cc), std::begin(other.c_cc));
}

bool in_foreground() { return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

}  // namespace

TerminalModes::TerminalModes() : known_(in_foreground() && ::tcgetattr(STDIN_FILENO, &modes_) == 0) {}

// TCSANOW: a terminal that is held with ^S would be waited for otherwise.
TerminalModes::~TerminalModes() {
  termios now{};
  if (!known_ || !in_foreground() || ::tcgetattr(STDIN_FILENO, &now) != 0 || are_equal(now, modes_)) return;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &modes_);
}

}  // namespace ckpt::supervisor
