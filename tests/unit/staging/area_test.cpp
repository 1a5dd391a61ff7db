// SPDX-License-Identifier: Apache-2.0
#include "staging/area.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "staging/touch.hpp"

namespace {

using ckpt::staging::Area;

constexpr std::size_t page = 4096, mebibyte = 1u << 20;

bool is_mapped(const void* address) {
  unsigned char present = 0;
  return ::mincore(const_cast<void*>(address), page, &present) == 0;
}

std::size_t pages_present(std::span<std::byte> bytes) {
  std::vector<unsigned char> present(bytes.size() / page);
  REQUIRE(::mincore(bytes.data(), bytes.size(), present.data()) == 0);
  return static_cast<std::size_t>(std::count_if(present.begin(), present.end(), [](auto flags) { return flags & 1; }));
}

int threads_of_this_process() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  }
  return -1;
}

// Fills the area as a save would, again and again, while `touch` goes over it.
template <class Touch>
void check_that_writes_survive(std::span<std::byte> bytes, Touch&& touch) {
  std::thread toucher(touch);
  for (std::size_t at = 0; at < bytes.size(); at += page) {
    std::memset(bytes.data() + at, static_cast<int>(at / page % 255 + 1), page);
  }
  toucher.join();
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) wrong += bytes[at] != static_cast<std::byte>(at / page % 255 + 1);
  CHECK(wrong == 0);
}

TEST_CASE("an area has room for what was asked and can be written from end to end") {
  for (const std::size_t size : {std::size_t{1}, page, page + 1, mebibyte, 2 * mebibyte + 1, 9 * mebibyte}) {
    Area area;
    area.reserve(size);
    REQUIRE(area.bytes().size() >= size);
    CHECK(area.bytes().size() < size + 2 * mebibyte + page);
    std::memset(area.bytes().data(), 0xab, area.bytes().size());
    CHECK(area.bytes().back() == std::byte{0xab});
  }
}

TEST_CASE("nothing is reserved for nothing") {
  Area area;
  area.reserve(0);
  area.prefault_in_background();
  CHECK(area.bytes().empty());
}

TEST_CASE("an area that is large enough stays as it is, a larger one takes its place") {
  Area area;
  area.reserve(4 * mebibyte);
  std::byte* first = area.bytes().data();
  area.reserve(mebibyte);
  CHECK(area.bytes().data() == first);
  CHECK(area.bytes().size() == 4 * mebibyte);
  area.reserve(8 * mebibyte);
  CHECK(area.bytes().size() == 8 * mebibyte);
}

TEST_CASE("a released area is unmapped, also while it is being touched") {
  Area area;
  const int threads_before = threads_of_this_process();
  area.reserve(256 * mebibyte);
  const std::byte* first = area.bytes().data();
  REQUIRE(is_mapped(first));
  area.prefault_in_background();
  area.release();
  CHECK(area.bytes().empty());
  CHECK_FALSE(is_mapped(first));
  CHECK(threads_of_this_process() == threads_before);
}

TEST_CASE("an area gives its memory back when it goes") {
  const std::byte* first = nullptr;
  {
    Area area;
    area.reserve(mebibyte);
    first = area.bytes().data();
  }
  CHECK_FALSE(is_mapped(first));
}

TEST_CASE("no memory for the area is an error with the remedy, and leaves it empty but usable") {
  Area area;
  area.reserve(mebibyte);
  for (const std::uint64_t size : {UINT64_MAX, UINT64_MAX - 2 * mebibyte, std::uint64_t{1} << 62}) {
    try {
      area.reserve(size);
      FAIL("reserved " << size);
    } catch (const ckpt::Error& error) {
      CHECK(error.status() == CKPT_ERR_MEMORY);
      CHECK_THAT(error.what(), Catch::Contains("CKPT_STAGING_SIZE"));
    }
    CHECK(area.bytes().empty());
  }
  area.reserve(mebibyte);
  CHECK(area.bytes().size() >= mebibyte);
}

TEST_CASE("touching in the background makes all pages present and keeps what is written meanwhile") {
  Area area;
  area.reserve(16 * mebibyte);
  check_that_writes_survive(area.bytes(), [&] { area.prefault_in_background(); });

  Area untouched;
  untouched.reserve(16 * mebibyte);
  CHECK(pages_present(untouched.bytes()) == 0);
  const std::atomic<bool> go_on{false};
  ckpt::staging::touch_pages(untouched.bytes(), go_on);
  CHECK(pages_present(untouched.bytes()) == 16 * mebibyte / page);
}

TEST_CASE("touching by writing, as on older kernels, does the same") {
  const std::atomic<bool> go_on{false};
  Area area;
  area.reserve(8 * mebibyte);
  check_that_writes_survive(area.bytes(), [&] {
    for (int again = 0; again < 20; ++again) ckpt::staging::touch_pages_by_writing(area.bytes(), go_on);
  });

  Area untouched;
  untouched.reserve(16 * mebibyte);
  ckpt::staging::touch_pages_by_writing(untouched.bytes(), go_on);
  CHECK(pages_present(untouched.bytes()) == 16 * mebibyte / page);
}

TEST_CASE("touching that was told to stop touches nothing more") {
  const std::atomic<bool> stop{true};
  Area area;
  area.reserve(16 * mebibyte);
  ckpt::staging::touch_pages(area.bytes(), stop);
  ckpt::staging::touch_pages_by_writing(area.bytes(), stop);
  CHECK(pages_present(area.bytes()) == 0);
}

TEST_CASE("a forked child does not inherit the area") {
  Area area;
  area.reserve(2 * mebibyte);
  std::memset(area.bytes().data(), 1, area.bytes().size());
  const void* first = area.bytes().data();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(is_mapped(first) ? 1 : 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(area.bytes().front() == std::byte{1});
}

}  // namespace
