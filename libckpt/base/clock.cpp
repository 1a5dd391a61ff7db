// SPDX-License-Identifier: Apache-2.0
#include "base/clock.hpp"

#include <ctime>

#include <atomic>
#include <chrono>
#include <thread>

namespace ckpt {
namespace {

double read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

class SystemClock final : public Clock {
 public:
  double monotonic_seconds() override { return read_clock(CLOCK_MONOTONIC); }
  double wall_seconds() override { return read_clock(CLOCK_REALTIME); }
  void sleep_seconds(double seconds) override {
    if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }
};

std::atomic<Clock*> clock_of_a_test{nullptr};

}  // namespace

Clock& system_clock() {
  static SystemClock real_clock;
  Clock* const other = clock_of_a_test.load(std::memory_order_acquire);
  return other ? *other : real_clock;
}

void set_system_clock(Clock* other) noexcept { clock_of_a_test.store(other, std::memory_order_release); }

}  // namespace ckpt
