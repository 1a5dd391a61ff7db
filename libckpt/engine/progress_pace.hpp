// SPDX-License-Identifier: Apache-2.0
// Which reports of progress are worth a line in the ledger: the first, and then each whole unit, since the time between
// two of them is what an epoch takes. A program that counts fast gets fewer lines as its block grows older: some
// thousands in a day, whatever it counts.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace ckpt::engine {

class ProgressPace {
 public:
  explicit ProgressPace(double opened) : opened_(opened) {}

  // Monotonic seconds. True: write it down; this report is then the last one noted.
  bool is_worth_a_line(double done, double now) {
    const double whole = std::floor(done);
    const double pause = std::max(shortest_pause_seconds, (now - opened_) * pause_share);
    if (whole == noted_whole_ || now - noted_ < pause) return false;
    noted_whole_ = whole;
    noted_ = now;
    return true;
  }

 private:
  static constexpr double shortest_pause_seconds = 0.1;
  static constexpr double pause_share = 1.0 / 400;

  double opened_;
  double noted_ = -std::numeric_limits<double>::infinity();
  double noted_whole_ = std::numeric_limits<double>::quiet_NaN();  // equals nothing
};

}  // namespace ckpt::engine
