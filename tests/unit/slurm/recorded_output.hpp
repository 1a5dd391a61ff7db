// SPDX-License-Identifier: Apache-2.0
// Output of real commands of Slurm 22.05, as a terminal shows it: "$ command", what it said, "rc=CODE".
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace ckpt::testing {

inline std::string recorded(const std::string& name) {
  std::ifstream file(fmt::format("{}/{}.txt", CKPT_RECORDED_SLURM, name));
  if (!file) throw std::runtime_error("no recorded output named " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ckpt::testing
