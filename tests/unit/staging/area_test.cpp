// SPDX-License-Identifier: Apache-2.0
#include "staging/area.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
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

bool holds_a_one(const void* address) {
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  char byte = 0;
  return ::pread(memory, &byte, 1, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(address))) == 1 && byte == 1;
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

// Stores through `touch` being called without end; returns how many of them were lost.
template <class Touch>
std::size_t writes_lost(std::span<std::byte> bytes, Touch&& touch) {
  std::atomic<bool> done{false};
  std::thread toucher([&] {
    while (!done) touch();
  });
  std::size_t lost = 0;
  for (unsigned round = 1; round <= 20000; ++round) {
    const auto value = static_cast<std::byte>(round);
    for (std::size_t at = 0; at < bytes.size(); at += page) const_cast<volatile std::byte&>(bytes[at]) = value;
    for (std::size_t at = 0; at < bytes.size(); at += page) lost += const_cast<volatile std::byte&>(bytes[at]) != value;
  }
  done = true;
  toucher.join();
  return lost;
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
  std::thread([] {}).join();   // with the first thread a sanitizer may start one of its own
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

TEST_CASE("what is written while the area is touched in the background stays") {
  Area area;
  area.reserve(16 * mebibyte);
  area.prefault_in_background();
  const auto bytes = area.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += page) std::memset(&bytes[at], static_cast<int>(at / page), page);
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < bytes.size(); at += page) wrong += bytes[at] != static_cast<std::byte>(at / page);
  CHECK(wrong == 0);
}

TEST_CASE("touching makes all pages present and loses nothing that is written meanwhile") {
  const std::atomic<bool> go_on{false};
  // The kernel's way where it has one, and the way for older kernels.
  for (const auto touch : {ckpt::staging::touch_pages, ckpt::staging::touch_pages_by_writing}) {
    Area area;
    area.reserve(4 * mebibyte);
    CHECK(pages_present(area.bytes()) == 0);
    touch(area.bytes(), go_on);
    CHECK(pages_present(area.bytes()) == area.bytes().size() / page);
    CHECK(writes_lost(area.bytes().first(4 * page), [&] { touch(area.bytes().first(4 * page), go_on); }) == 0);
  }
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
  if (child == 0) ::_exit(holds_a_one(first) ? 1 : 0);   // a sanitizer may have mapped memory of its own there
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(area.bytes().front() == std::byte{1});
}

}  // namespace
