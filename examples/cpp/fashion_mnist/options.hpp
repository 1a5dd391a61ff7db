// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

struct Options {
  std::size_t epochs = 4;
  std::size_t batch = 240;
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::string weights_out;   // empty: not written
  bool quiet = false;
};

// Ends the program for --help (0) and for what cannot be understood (2).
Options parse_options(int argc, char** argv);
