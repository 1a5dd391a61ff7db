// SPDX-License-Identifier: Apache-2.0
// The trees under recorded/ have the shape that Slurm 22.05 (cgroup/v1), systemd (v2) and containers give them.
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "staging/area.hpp"

namespace {

std::uint64_t allowed_in(const char* machine) {
  return ckpt::staging::memory_still_allowed((std::string(RECORDED_DIRECTORY "/") + machine).c_str());
}

constexpr std::uint64_t mebibyte = 1u << 20;

TEST_CASE("without a memory cgroup the machine's available memory is the limit") {
  CHECK(allowed_in("no-cgroup") == 20'000 * 1024);
}

TEST_CASE("a cgroup without limit allows what the machine has") {
  CHECK(allowed_in("v1-unlimited") == 20'000'000ull * 1024);
  CHECK(allowed_in("v2-unlimited") == 20'000'000ull * 1024);
}

TEST_CASE("the tightest cgroup above the process counts, whichever level it is") {
  CHECK(allowed_in("v1-slurm-job") == 1024 * mebibyte - (600 - 100) * mebibyte);   // the job's, not the step's
  CHECK(allowed_in("v2-parent") == 512 * mebibyte - (300 - 60) * mebibyte);        // two levels up
}

TEST_CASE("file pages that the kernel can drop do not count as used") {
  CHECK(allowed_in("v2-full-of-cache") == 900 * mebibyte);
}

TEST_CASE("memory.high slows a program to a crawl: it counts as a limit") {
  CHECK(allowed_in("v2-high") == (256 - 56) * mebibyte);
}

TEST_CASE("a cgroup above its limit allows nothing, not very much") { CHECK(allowed_in("v2-over") == 0); }

TEST_CASE("in a container the mount's root is the limit, for the path is the host's") {
  CHECK(allowed_in("v1-container") == (128 - 28) * mebibyte);
  CHECK(allowed_in("v2-foreign-namespace") == (64 - 4) * mebibyte);
}

TEST_CASE("the machine's available memory counts when it is less than the cgroup allows") {
  CHECK(allowed_in("v1-small-machine") == 1000 * 1024);
}

TEST_CASE("where nothing can be read nothing is limited") {
  CHECK(allowed_in("absent") == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("malformed files are as good as absent") { CHECK(allowed_in("malformed") == 20'000 * 1024); }

TEST_CASE("kills for memory are counted in every group that has a limit, at it or above it, and only there") {
  const auto killed_in = [](const char* machine) {
    return ckpt::staging::processes_killed_for_memory((std::string(RECORDED_DIRECTORY "/") + machine).c_str());
  };
  CHECK(killed_in("v1-slurm-job") == 3);     // two of the step, one of the job; the machine's nine are not ours
  CHECK(killed_in("v1-slurm-task") == 1);    // told in the task's group, which has no limit of its own
  CHECK(killed_in("v2-parent") == 5);
  CHECK(killed_in("v1-unlimited") == 0);
  CHECK(killed_in("absent") == 0);
}

TEST_CASE("this machine allows something, and not more than it has") {
  const std::uint64_t allowed = ckpt::staging::memory_still_allowed();
  CHECK(allowed > mebibyte);
  CHECK(allowed < std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
