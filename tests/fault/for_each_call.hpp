// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fault/fake_disk.hpp"

namespace ckpt::testing {

// For N = 1, 2, …: arm(disk, N) sets a fault at call N on a fresh copy of `prepared`, act(disk, N) uses it and
// checks. Ends with the pass that made fewer than N calls: the fault was never met. Returns how many calls it made.
template <class Arm, class Act>
std::uint64_t for_each_call(const FakeDisk& prepared, Arm arm, Act act) {
  for (std::uint64_t number = 1;; ++number) {
    const auto disk = prepared.clone();
    arm(*disk, number);
    act(*disk, number);
    if (disk->calls() < number) return disk->calls();
  }
}

}  // namespace ckpt::testing
