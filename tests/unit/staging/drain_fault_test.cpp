// SPDX-License-Identifier: Apache-2.0
// Every call to the disk fails, loses power, or waits while another block acts: guarantee 1 holds.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "drained_run.hpp"
#include "staging/drain.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::testing;
using Effect = FakeDisk::Effect;
using Repeat = FakeDisk::Repeat;

constexpr std::uint64_t many_calls = 5000;   // no loop may go on for ever

rundir::SnapshotId id(std::uint64_t block, std::uint64_t step) { return {.block = block, .step = step}; }

// Snapshots of steps 1 and 2, both durable; the next save prunes one.
std::unique_ptr<FakeDisk> disk_with_two_snapshots() {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  for (const std::uint64_t step : {1, 2}) run.save(step);
  return disk;
}

void drain_step(staging::Drain& drain, std::uint64_t step) {
  drain.hand_over(staged_state(step));
  REQUIRE(drain.wait_idle(1e9));
}

// What a program may rely on after a save that met one fault and is tried once more.
void check_one_fault(const FakeDisk& prepared, std::uint64_t n, int error, Effect effect, bool& reached) {
  auto disk = prepared.clone();
  disk->fail_call(n, error, Repeat::once, effect);
  DrainedRun run(*disk);
  staging::Drain drain(run.target());
  drain_step(drain, 3);
  reached = disk->calls() >= n;
  disk->clear_faults();
  const bool durable = !drain.last_error();
  if (durable) CHECK(restores(*disk->after_power_loss(), id(1, 3)));
  if (!durable) {
    CHECK(newest_whole(*disk) == id(1, 2));
    CHECK(newest_whole(*disk->after_power_loss()) >= id(1, 2));   // 3 may be back: whole, and never reported
    CHECK(temporaries(*disk) == 0);
    drain_step(drain, 3);   // the same step again, the fault has passed
    CHECK_FALSE(drain.last_error().has_value());
  }
  drain_step(drain, 4);
  CHECK_FALSE(drain.last_error().has_value());
  CHECK(drain.last_durable()->id == id(1, 4));
  CHECK(newest_whole(*disk->after_power_loss()) == id(1, 4));
  CHECK(restores(*disk, id(1, 3)));
}

TEST_CASE("whichever call fails once, the older snapshot stands and the next save works") {
  const auto prepared = disk_with_two_snapshots();
  for (const Effect effect : {Effect::none, Effect::done, Effect::half}) {
    bool reached = true;
    std::uint64_t n = 1;
    for (; reached && n < many_calls; ++n) {
      INFO("call " << n << ", effect " << static_cast<int>(effect));
      check_one_fault(*prepared, n, EIO, effect, reached);
    }
    CHECK(n > 10);
    CHECK_FALSE(reached);
  }
}

TEST_CASE("whichever call finds the disk full, the older snapshot stands and the next save works") {
  const auto prepared = disk_with_two_snapshots();
  bool reached = true;
  for (std::uint64_t n = 1; reached && n < many_calls; ++n) {
    INFO("call " << n);
    check_one_fault(*prepared, n, ENOSPC, Effect::half, reached);
  }
}

TEST_CASE("a disk that fails for ever from any call on leaves the older snapshot, and recovery is complete") {
  const auto prepared = disk_with_two_snapshots();
  for (std::uint64_t n = 1; n < many_calls; ++n) {
    INFO("from call " << n);
    auto disk = prepared->clone();
    disk->fail_call(n, EIO, Repeat::for_ever);
    DrainedRun run(*disk);
    staging::Drain drain(run.target());
    drain_step(drain, 3);
    const bool reached = disk->calls() >= n;
    disk->clear_faults();
    const auto survivor = disk->after_power_loss();
    if (drain.last_error()) {
      CHECK(restores(*survivor, id(1, 2)));
    } else {
      CHECK(restores(*survivor, id(1, 3)));
    }
    drain_step(drain, 4);
    CHECK_FALSE(drain.last_error().has_value());
    CHECK(newest_whole(*disk->after_power_loss()) == id(1, 4));
    if (!reached) return;
  }
  FAIL("the drain never stops calling the disk");
}

TEST_CASE("a full disk is told as such, the older snapshot stands, and space makes the next save work") {
  auto disk = disk_with_two_snapshots();
  DrainedRun run(*disk);
  staging::Drain drain(run.target());
  disk->set_free_bytes(1000);
  drain_step(drain, 3);
  REQUIRE(drain.last_error().has_value());
  CHECK(drain.last_error()->status() == CKPT_ERR_NO_SPACE);
  CHECK(newest_whole(*disk) == id(1, 2));
  CHECK(temporaries(*disk) == 0);
  disk->set_free_bytes(1u << 30);
  drain_step(drain, 4);
  CHECK(newest_whole(*disk) == id(1, 4));
}

TEST_CASE("a snapshot that cannot be pruned does not fail the save") {
  auto disk = disk_with_two_snapshots();
  DrainedRun run(*disk);
  staging::Drain drain(run.target());
  disk->fail_if([](const auto& call) { return call.name == "remove"; }, EACCES);
  drain_step(drain, 3);
  CHECK_FALSE(drain.last_error().has_value());
  CHECK(listed(*disk).size() == 3);
  disk->clear_faults();
  drain_step(drain, 4);
  CHECK(listed(*disk).size() == 2);
}

// The number of the first call of that name that a save of step 3 makes.
std::uint64_t call_number(const FakeDisk& prepared, const std::string& name) {
  auto disk = prepared.clone();
  DrainedRun run(*disk);
  run.save(3);
  for (const auto& call : disk->log()) {
    if (call.name == name) return call.number;
  }
  FAIL("a save makes no call " << name);
  return 0;
}

TEST_CASE("a block that is superseded between its publish and its prune removes nothing any more") {
  const auto prepared = disk_with_two_snapshots();
  auto disk = prepared->clone();
  disk->at_call(call_number(*prepared, "append"), [&] { claim(*disk, block_2); });   // the ledger's, after the publish
  DrainedRun run(*disk);
  run.save(3);
  CHECK(listed(*disk) == std::vector{id(1, 3), id(1, 2), id(1, 1)});
}

// Saves steps 1 to 4; returns what was reported durable before the power went.
std::optional<rundir::SnapshotId> save_until_power_fails(FakeDisk& disk) {
  DrainedRun run(disk);
  staging::Drain drain(run.target());
  for (std::uint64_t step = 1; step <= 4; ++step) drain_step(drain, step);
  const auto durable = drain.last_durable();
  return durable ? std::optional(durable->id) : std::nullopt;
}

void check_what_was_reported(FakeDisk& survivor, const std::optional<rundir::SnapshotId>& reported) {
  const auto newest = newest_whole(survivor);
  if (!reported) return;
  REQUIRE(newest.has_value());
  CHECK(*newest >= *reported);
  CHECK(restores(survivor, *reported));
  CHECK(survivor.exists("/run/has-snapshots"));
}

TEST_CASE("whenever the power fails, the newest snapshot that was reported durable restores") {
  const auto prepared = disk_with_run();
  for (std::uint64_t n = 1; n < many_calls; ++n) {
    INFO("power fails at call " << n);
    auto disk = prepared->clone();
    disk->crash_at(n);
    const auto reported = save_until_power_fails(*disk);
    check_what_was_reported(*disk->after_kill(), reported);
    check_what_was_reported(*disk->after_power_loss(), reported);
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      INFO("seed " << seed);
      check_what_was_reported(*disk->after_power_loss(seed), reported);
    }
    if (disk->calls() < n) {
      CHECK(reported == id(1, 4));
      return;
    }
  }
  FAIL("the drain never stops calling the disk");
}

TEST_CASE("whenever the power fails, pruning has never removed the only whole snapshot") {
  const auto prepared = disk_with_two_snapshots();
  for (std::uint64_t n = 1; n < many_calls; ++n) {
    INFO("power fails at call " << n);
    auto disk = prepared->clone();
    disk->crash_at(n);
    DrainedRun run(*disk);
    run.keep = 1;
    {
      staging::Drain drain(run.target());
      drain_step(drain, 3);
    }
    for (std::uint64_t seed = 0; seed <= 5; ++seed) {
      const auto survivor = seed == 0 ? disk->after_power_loss() : disk->after_power_loss(seed);
      const auto newest = newest_whole(*survivor);
      REQUIRE(newest.has_value());
      CHECK(*newest >= id(1, 2));
    }
    if (disk->calls() < n) return;
  }
  FAIL("the drain never stops calling the disk");
}

// What block 2 would have written as its first snapshot.
std::string snapshot_of_block_2(std::uint64_t step) {
  auto disk = disk_with_run(block_2);
  DrainedRun(*disk, block_2).save(step);
  return disk->content(rundir::Layout("/run").snapshot(id(block_2, step)));
}

// Claims, publishes and prunes, all in one moment.
void take_over(FakeDisk& disk, const std::string& snapshot) {
  claim(disk, block_2);
  DrainedRun other(disk, block_2);
  disk.put(other.layout.snapshot(id(block_2, 3)), snapshot);
  other.catalog.prune(other.keep, {id(1, 2)});
}

TEST_CASE("whenever another block takes over, its snapshot is the newest and this one's are harmless") {
  const auto prepared = disk_with_two_snapshots();
  const std::string snapshot = snapshot_of_block_2(3);
  std::size_t superseded_at_once = 0;
  for (std::uint64_t n = 1; n < many_calls; ++n) {
    INFO("taken over at call " << n);
    auto disk = prepared->clone();
    bool taken_over = false;
    disk->at_call(n, [&] {
      take_over(*disk, snapshot);
      taken_over = true;
    });
    DrainedRun run(*disk);
    staging::Drain drain(run.target());
    drain_step(drain, 5);
    if (!taken_over) {
      CHECK(superseded_at_once > 10);
      return;
    }
    if (drain.last_error()) {
      ++superseded_at_once;
      CHECK(drain.last_error()->status() == CKPT_ERR_SUPERSEDED);
      CHECK_FALSE(disk->exists(run.layout.snapshot(id(1, 5))));
    }
    drain_step(drain, 6);
    REQUIRE(drain.last_error().has_value());
    CHECK(drain.last_error()->status() == CKPT_ERR_SUPERSEDED);
    CHECK(newest_whole(*disk) == id(2, 3));
    CHECK(newest_whole(*disk->after_power_loss()) == id(2, 3));
    CHECK(temporaries(*disk) == 0);
  }
  FAIL("the drain never stops calling the disk");
}

}  // namespace
