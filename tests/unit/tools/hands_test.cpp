// SPDX-License-Identifier: Apache-2.0
// ckpt fork and ckpt rollback, killed at any call, or not alone: what is left is never taken for something that it is not.
#include <catch2/catch.hpp>

#include <optional>

#include "base/error.hpp"
#include "fault/for_each_call.hpp"
#include "fault/one_life.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "tools/verbs.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using rundir::Layout;

namespace {

const Layout from("/scratch/a"), to("/scratch/b");

// A run with snapshots of steps 1 and 2; who ran its only block is gone.
struct RunWithTwoSnapshots : FakeWorld {
  FakeDisk disk;
  std::uint64_t block = 0;   // the only one
  RunWithTwoSnapshots() {
    disk.make_directories("/scratch");
    rundir::prepare_run_directory(disk, from, {});
    for (const std::uint64_t step : {1, 2}) disk.put(from.snapshot({1, step}), snapshot_content(1, step));
    rundir::Catalog(disk, from, {}).mark_has_snapshots();
    rundir::Claim claim;
    claim.role = "program";
    claim.who = identify_self();
    claim.who.start_ticks += 1;   // a process of this machine that is gone
    block = rundir::Blocks(disk, from, {}).claim(claim).value();
    disk.sync_everything();
  }

  // Each call in turn, and all after it, fails: as if killed there. `check` sees what a restart of the machine finds.
  template <class Work, class Check>
  void kill_at_each_call(const Work& work, const Check& check) {
    for_each_call(
        disk, [](FakeDisk& one, std::uint64_t n) { one.fail_call(n, EIO, FakeDisk::Repeat::for_ever); },
        [&](FakeDisk& one, std::uint64_t n) {
          INFO("call " << n);
          io::set_file_system(&one);
          try {
            work();
          } catch (const Error&) {
          }
          for (const auto& after : {one.after_kill(), one.after_power_loss()}) check(*after);
        });
  }
};

bool is_there(FakeDisk& disk, const std::string& path) {
  io::FileInfo ignored;
  return disk.info(path, ignored) == 0;
}

}  // namespace

TEST_CASE("a fork that was killed is not there, or has lost its snapshot, or has it; it never begins from zero") {
  RunWithTwoSnapshots world;
  std::size_t whole = 0, lost = 0;
  world.kill_at_each_call(
      [] { tools::fork(to.directory(), "1", {.run = from.directory()}, tools::Format::json); },
      [&](FakeDisk& after) {
        if (!is_there(after, to.directory())) return;
        const rundir::Catalog catalog(after, to, {});
        REQUIRE(catalog.ever_had_snapshots());
        ++(catalog.list().empty() ? lost : whole);
      });
  CHECK(whole > 0);
  CHECK(lost > 0);
}

TEST_CASE("a rollback that says it happened has its snapshot, which is the newest") {
  RunWithTwoSnapshots world;
  std::size_t happened = 0;
  world.kill_at_each_call([] { tools::rollback("1", {.run = from.directory(), .allow_other_owner = true}, tools::Format::json); },
                          [&](FakeDisk& after) {
                            const rundir::Blocks blocks(after, from, {});
                            const std::uint64_t newest = blocks.newest();
                            if (newest == 0 || !blocks.read_end(newest)) return;
                            const auto snapshots = rundir::Catalog(after, from, {}).list();
                            REQUIRE(snapshots.front().id == rundir::SnapshotId{newest, 1});
                            ++happened;
                          });
  CHECK(happened > 0);
}

TEST_CASE("a rollback gives way to a block that starts at any of its calls") {
  RunWithTwoSnapshots world;
  std::optional<std::uint64_t> other;
  std::size_t gave_way = 0;
  for_each_call(
      world.disk,
      [&](FakeDisk& one, std::uint64_t n) {
        other.reset();
        one.at_call(n, [&] {
          rundir::Claim claim;
          claim.role = "ckptrun";
          claim.who.host = "elsewhere";
          other = rundir::Blocks(one, from, {}).claim(claim, world.block);
        });
      },
      [&](FakeDisk& one, std::uint64_t n) {
        INFO("call " << n);
        io::set_file_system(&one);
        bool refused = false;
        try {
          tools::rollback("1", {.run = from.directory(), .allow_other_owner = true}, tools::Format::json);
        } catch (const Error& error) {
          refused = error.status() == CKPT_ERR_IN_USE;
        }
        REQUIRE(refused == other.has_value());
        if (other) REQUIRE(rundir::Blocks(one, from, {}).newest() == *other);
        gave_way += refused;
      });
  CHECK(gave_way > 0);
}
