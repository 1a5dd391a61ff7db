// SPDX-License-Identifier: Apache-2.0
// Guarantee 1 through the public ABI: whatever call fails, whenever the power goes, the next life restores the newest
// durable snapshot byte for byte and completes.
#include <catch2/catch.hpp>

#include <algorithm>

#include "fault/one_life.hpp"

using namespace ckpt;
using namespace ckpt::testing;

namespace {

// Two blocks have been; the newest durable step is 6 of 12.
std::unique_ptr<FakeDisk> disk_with_a_past() {
  auto disk = FakeWorld::empty_disk();
  live(*disk, {.stop_after = 3});
  const Life second = live(*disk, {.stop_after = 4});
  REQUIRE(second.resumed_step == 3);
  REQUIRE(second.durable_step == 6);
  return disk;
}

std::vector<std::string> temporaries(const FakeDisk& disk) {
  std::vector<std::string> found;
  for (const auto& path : disk.files())
    if (path.find("/snapshots/") != std::string::npos && path.find(".tmp") != std::string::npos) found.push_back(path);
  return found;
}

void require_next_life_completes(FakeDisk& disk, std::uint64_t durable_step, std::uint64_t n) {
  const Life next = live(disk, {});
  INFO("call " << n << ", durable before: " << durable_step << ", restore said " << next.restored);
  REQUIRE(next.opened == CKPT_OK);
  REQUIRE(next.restored == CKPT_OK);
  REQUIRE(next.resumed_step >= durable_step);
  REQUIRE(next.exact);
  REQUIRE(next.finished);
  REQUIRE(next.exit_code == 0);
  REQUIRE(temporaries(disk).empty());
}

template <class Fault>
void for_every_call(const Fault& set_fault) {
  FakeWorld world;
  const auto past = disk_with_a_past();
  std::uint64_t n = 1;
  for (;; ++n) {
    auto disk = past->clone();
    set_fault(*disk, n);
    const Life faulty = live(*disk, {});
    if (faulty.restored == CKPT_OK) {
      INFO("call " << n);
      REQUIRE(faulty.exact);
      REQUIRE(faulty.resumed_step == 6);
    }
    REQUIRE(faulty.restored != CKPT_FRESH);
    const bool reached = disk->calls() >= n;
    disk->clear_faults();
    require_next_life_completes(*disk, std::max<std::uint64_t>(6, faulty.durable_step.value_or(0)), n);
    if (!reached) break;
  }
  REQUIRE(n > 100);   // the loop really went through the calls of a life
}

}  // namespace

TEST_CASE("a life without faults completes, and its snapshots were written by calls that can be made to fail") {
  FakeWorld world;
  auto disk = FakeWorld::empty_disk();
  const Life life = live(*disk, {});
  REQUIRE(life.restored == CKPT_FRESH);
  REQUIRE(life.exit_code == 0);
  int snapshots = 0;
  for (const auto& path : disk->files()) {
    if (path.find("/snapshots/") == std::string::npos) continue;
    ++snapshots;
    REQUIRE(disk->bytes_written_to(path) > disk->content(path).size() / 2);   // the rest is padding of HDF5's blocks
  }
  REQUIRE(snapshots == 2);
}

TEST_CASE("any one call may fail: the newest durable snapshot restores exactly and the work completes") {
  for_every_call([](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO); });
}

TEST_CASE("any one call may fail although it happened: the next life completes all the same") {
  for_every_call(
      [](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO, FakeDisk::Repeat::once, FakeDisk::Effect::done); });
}

TEST_CASE("any one write may be torn in half: the next life completes all the same") {
  for_every_call(
      [](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, ENOSPC, FakeDisk::Repeat::once, FakeDisk::Effect::half); });
}

TEST_CASE("the disk may fail for ever from any call on: the older snapshot stands") {
  for_every_call([](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO, FakeDisk::Repeat::for_ever); });
}

TEST_CASE("the disk may be full for ever from any call on: the older snapshot stands") {
  for_every_call([](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, ENOSPC, FakeDisk::Repeat::for_ever); });
}

TEST_CASE("the power may go at any call and everything unsynced with it: what was promised durable is there") {
  FakeWorld world;
  const auto past = disk_with_a_past();
  std::uint64_t n = 1;
  for (;; ++n) {
    auto disk = past->clone();
    disk->crash_at(n);
    const Life last = live(*disk, {});
    const bool reached = disk->calls() >= n;
    const std::uint64_t promised = std::max<std::uint64_t>(6, last.durable_step.value_or(0));
    for (const std::uint64_t seed : {0, 1, 2, 3}) {
      auto rebooted = seed == 0 ? disk->after_power_loss() : disk->after_power_loss(seed);
      require_next_life_completes(*rebooted, promised, n);
    }
    if (!reached) break;
  }
  REQUIRE(n > 100);
}

TEST_CASE("the power may go at any call of the very first life: it starts fresh or restores, never lies") {
  FakeWorld world;
  for (std::uint64_t n = 1;; ++n) {
    auto disk = FakeWorld::empty_disk();
    disk->crash_at(n);
    const Life first = live(*disk, {});
    const bool reached = disk->calls() >= n;
    auto rebooted = disk->after_power_loss();
    const Life next = live(*rebooted, {});
    INFO("call " << n << ", restore said " << next.restored);
    REQUIRE((next.restored == CKPT_FRESH || next.restored == CKPT_OK));
    REQUIRE(next.resumed_step >= first.durable_step.value_or(0));
    REQUIRE(next.exact);
    REQUIRE(next.exit_code == 0);
    if (!reached) break;
  }
}
