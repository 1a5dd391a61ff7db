// SPDX-License-Identifier: Apache-2.0
#include "engine/progress_pace.hpp"

#include <catch2/catch.hpp>

using ckpt::engine::ProgressPace;

TEST_CASE("the first report of progress and each whole unit are written down, what is between is not") {
  ProgressPace pace(1000);
  CHECK(pace.is_worth_a_line(3.5, 1001));
  CHECK_FALSE(pace.is_worth_a_line(3.5, 1100));
  CHECK_FALSE(pace.is_worth_a_line(3.9, 1200));
  CHECK(pace.is_worth_a_line(4.0, 1300));
  CHECK_FALSE(pace.is_worth_a_line(4.99, 1400));
  CHECK(pace.is_worth_a_line(7.2, 1500));
}

TEST_CASE("a program that starts to count anew is written down as well") {
  ProgressPace pace(0);
  CHECK(pace.is_worth_a_line(300, 1));
  CHECK(pace.is_worth_a_line(0, 2));
}

TEST_CASE("a thousand units a second make some thousand lines a day, spread over all of it") {
  ProgressPace pace(0);
  int lines = 0, in_the_last_hour = 0;
  for (double now = 0; now < 86400; now += 0.01) {
    const bool noted = pace.is_worth_a_line(now * 1000, now);
    lines += noted;
    in_the_last_hour += noted && now > 82800;
  }
  CHECK(lines < 5000);
  CHECK(in_the_last_hour > 10);
}
