// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace ckpt;

TEST_CASE("every index is worked on once, with fewer, as many and more threads than indices") {
  const std::size_t count = GENERATE(0, 1, 3, 1000);
  const unsigned threads = GENERATE(0u, 1u, 3u, 16u);
  std::vector<std::atomic<int>> times(count);
  parallel_for(count, threads, [&](std::size_t index) { ++times[index]; });
  CAPTURE(count, threads);
  for (const auto& time : times) REQUIRE(time == 1);
}

TEST_CASE("after an error no further index is started, and the error reaches the caller") {
  std::vector<std::size_t> started;
  const auto work = [&](std::size_t index) {
    started.push_back(index);
    if (index == 2) throw std::runtime_error("index 2");
  };
  CHECK_THROWS_WITH(parallel_for(1000, 1, work), "index 2");
  CHECK(started == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("of errors in several threads one reaches the caller, after all threads have left") {
  std::atomic<int> inside{0}, started{0};
  const auto work = [&](std::size_t) {
    ++inside;
    ++started;
    std::this_thread::yield();
    --inside;
    throw std::runtime_error("broken");
  };
  CHECK_THROWS_WITH(parallel_for(1000, 4, work), "broken");
  CHECK(inside == 0);
  CHECK(started <= 4);
}

TEST_CASE("the limit on threads is kept, and there is always one") {
  CHECK(usable_threads(1) == 1);
  CHECK(usable_threads(0) == 1);
  CHECK(usable_threads(1000) >= 1);
  CHECK(usable_threads(1000) <= std::max(1u, std::thread::hardware_concurrency()));
}
