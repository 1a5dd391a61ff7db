// SPDX-License-Identifier: Apache-2.0
#include <ckpt/ckpt.hpp>
#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
  std::vector<double> state{1, 2, 3};
  std::uint64_t step = 0;
  std::printf("libckpt %s\n", ckpt_version());
  ckpt::run run;
  run.add("state", state);
  run.restore(step);
  run.finish(step + 1);
  return run.close();
}
