// SPDX-License-Identifier: Apache-2.0
// Time is injected, so that a 30-day chain is tested in milliseconds.
#pragma once

namespace ckpt {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds on a clock that never jumps (CLOCK_MONOTONIC); the same in every process of this boot.
  virtual double monotonic_seconds() = 0;
  // Seconds since 1970 (CLOCK_REALTIME): for people and for talking to schedulers, never for durations.
  virtual double wall_seconds() = 0;
  virtual void sleep_seconds(double seconds) = 0;
};

Clock& system_clock();
void set_system_clock(Clock* other) noexcept;   // for tests; nullptr: the real one again

}  // namespace ckpt
