// SPDX-License-Identifier: Apache-2.0
// Restore falls back on proven damage only, says so, keeps the evidence, and never calls a lost run fresh.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

#include "base/error.hpp"
#include "rundir/blocks.hpp"
#include "scratch_run.hpp"
#include "snapshot/reader.hpp"

using namespace ckpt::testing;
using Catch::Contains;

namespace {

constexpr std::size_t length = 5000;

std::vector<float> state_of(std::uint64_t step) { return std::vector<float>(length, static_cast<float>(step) + 0.25f); }

// Snapshots of steps 1 and 2.
void put_two_snapshots(ScratchWorld&) {
  std::vector<float> w;
  ScratchRun run;
  for (std::uint64_t step : {1, 2}) {
    w = state_of(step);
    const ckpt_array array = array_of(w);
    if (step == 1) run.add("w", w), run.restore();
    else ckpt_update(run.run, "w", &array, nullptr);
    REQUIRE(run.save_durably(step) == CKPT_OK);
  }
}

struct Result {
  ckpt_status status;
  std::uint64_t step;
  bool exact;
  std::string text;
};

Result restore() {
  std::vector<float> w(length);
  ScratchRun run;
  run.add("w", w);
  const ckpt_status status = run.restore();
  return {status, run.step, w == state_of(run.step), run.text()};
}

std::vector<std::string> damaged(const ScratchWorld& world) {
  std::vector<std::string> found;
  for (const auto& path : world.disk->files())
    if (path.find(".damaged-b") != std::string::npos) found.push_back(path);
  return found;
}

}  // namespace

TEST_CASE("a damaged newest snapshot is passed over, named, set aside, and the next older one restores") {
  const auto ways = {
      +[](FakeDisk& disk, const std::string& path) { disk.cut(path, 0); },
      +[](FakeDisk& disk, const std::string& path) { disk.cut(path, disk.content(path).size() - 1); },
      +[](FakeDisk& disk, const std::string& path) { disk.cut(path, disk.content(path).size() / 2); },
      +[](FakeDisk& disk, const std::string& path) { disk.erase(path), disk.put(path, "this is no HDF5 file at all"); },
  };
  for (const auto& harm : ways) {
    ScratchWorld world;
    put_two_snapshots(world);
    const std::string newest = world.snapshots().back();
    harm(*world.disk, newest);
    const std::string evidence = world.disk->content(newest);
    const Result result = restore();
    REQUIRE(result.status == CKPT_OK);
    REQUIRE(result.step == 1);
    REQUIRE(result.exact);
    REQUIRE(damaged(world).size() == 1);
    REQUIRE(world.disk->content(damaged(world).front()) == evidence);
    REQUIRE(restore().step == 1);
  }
}

TEST_CASE("a run whose snapshots are all damaged is lost, never fresh, now and later") {
  ScratchWorld world;
  put_two_snapshots(world);
  for (const auto& path : world.snapshots()) world.disk->cut(path, 100);
  const Result result = restore();
  REQUIRE(result.status == CKPT_ERR_LOST);
  REQUIRE_THAT(result.text, Contains("step-"));
  REQUIRE(restore().status == CKPT_ERR_LOST);
  REQUIRE(damaged(world).size() == 2);
}

TEST_CASE("a run whose snapshots were purged is lost, never fresh") {
  ScratchWorld world;
  put_two_snapshots(world);
  for (const auto& path : world.snapshots()) world.disk->erase(path);
  REQUIRE(restore().status == CKPT_ERR_LOST);
}

TEST_CASE("a kept snapshot is the last resort before a run is lost") {
  ScratchWorld world;
  std::vector<float> w = state_of(1);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    run.save_durably(1);
    REQUIRE(ckpt_keep(run.run, 1, "best", nullptr) == CKPT_OK);
    for (std::uint64_t step : {2, 3}) REQUIRE(run.save_durably(step) == CKPT_OK);
  }
  for (const auto& path : world.snapshots()) world.disk->cut(path, 10);
  const Result result = restore();
  REQUIRE(result.status == CKPT_OK);
  REQUIRE(result.step == 1);
  REQUIRE(result.exact);
}

TEST_CASE("an I/O error while restoring is tried again and then reported, never a fall-back") {
  ScratchWorld world;
  put_two_snapshots(world);
  const std::string newest = world.snapshots().back();
  world.disk->fail_if([&](const FakeDisk::Call& call) { return call.name == "read_at" && call.path == newest; }, EIO);
  const Result result = restore();
  REQUIRE(result.status == CKPT_ERR_IO);
  REQUIRE(damaged(world).empty());
  world.disk->clear_faults();
  REQUIRE(restore().step == 2);
}

TEST_CASE("one I/O error is overcome by trying again") {
  ScratchWorld world;
  put_two_snapshots(world);
  const std::string newest = world.snapshots().back();
  int left = 1;
  world.disk->fail_if(
      [&](const FakeDisk::Call& call) { return call.name == "read_at" && call.path == newest && left-- > 0; }, EIO);
  const Result result = restore();
  REQUIRE(result.status == CKPT_OK);
  REQUIRE(result.step == 2);
}

TEST_CASE("one I/O error in the middle of the data is overcome by reading anew") {
  ScratchWorld world;
  put_two_snapshots(world);
  const std::string newest = world.snapshots().back();
  int reads = 0;
  world.disk->fail_if([&](const FakeDisk::Call& call) { return call.name == "read_at" && call.path == newest && ++reads < 0; }, EIO);
  REQUIRE(restore().step == 2);
  const int reads_of_one_restore = reads;
  REQUIRE(reads_of_one_restore > 3);
  for (int failing = 1; failing <= reads_of_one_restore; ++failing) {
    world.disk->clear_faults();
    int read = 0;
    world.disk->fail_if(
        [&](const FakeDisk::Call& call) { return call.name == "read_at" && call.path == newest && ++read == failing; }, EIO);
    const Result result = restore();
    INFO("read " << failing << " of " << reads_of_one_restore);
    REQUIRE(result.status == CKPT_OK);
    REQUIRE(result.step == 2);
    REQUIRE(result.exact);
  }
  REQUIRE(damaged(world).empty());
}

TEST_CASE("a kept snapshot that cannot be read is an I/O error, one that is damaged a lost run, never a fresh one") {
  ScratchWorld world;
  std::vector<float> w = state_of(1);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    run.save_durably(1);
    REQUIRE(ckpt_keep(run.run, 1, "best", nullptr) == CKPT_OK);
  }
  const std::string kept = run_directory + "/kept/best.h5";
  for (const auto& path : world.snapshots()) world.disk->erase(path);
  world.disk->erase(run_directory + "/has-snapshots");
  world.disk->fail_if([&](const FakeDisk::Call& call) { return call.name == "read_at" && call.path == kept; }, EIO);
  REQUIRE(restore().status == CKPT_ERR_IO);
  world.disk->clear_faults();
  REQUIRE(restore().status == CKPT_OK);
  world.disk->cut(kept, 50);
  REQUIRE(restore().status == CKPT_ERR_LOST);
}

namespace {

bool fails(const std::function<void()>& work) try {
  work();
  return false;
} catch (const ckpt::Error&) {
  return true;
}

// A snapshot of other arrays than are registered, so damaged that only reading its content tells.
std::string damaged_foreign_snapshot() {
  const std::string whole = snapshot_content(1, 2);
  for (std::size_t byte = whole.size() / 2; byte < whole.size(); ++byte) {
    FakeDisk disk;
    disk.put("/snapshot", whole);
    disk.flip_bit("/snapshot", byte * 8);
    const auto open = [&] { return ckpt::snapshot::Reader(disk, "/snapshot"); };
    if (!fails([&] { open(); }) && fails([&] { open().verify(1); })) return disk.content("/snapshot");
  }
  return {};
}

}  // namespace

TEST_CASE("a damaged snapshot that does not match either is passed over: only a whole one proves a mismatch") {
  ScratchWorld world;
  put_two_snapshots(world);
  const std::string newest = world.snapshots().back();
  const std::string foreign = damaged_foreign_snapshot();
  REQUIRE_FALSE(foreign.empty());
  world.disk->put(newest, foreign);
  const Result result = restore();
  INFO(result.text);
  REQUIRE(result.status == CKPT_OK);
  CHECK(result.step == 1);
  CHECK(result.exact);
  CHECK(damaged(world).size() == 1);
}

TEST_CASE("a block that is no longer the newest leaves a damaged snapshot where it is") {
  ScratchWorld world;
  put_two_snapshots(world);
  const std::string newest = world.snapshots().back();
  world.disk->flip_bit(newest, world.disk->content(newest).size() / 2 * 8);
  std::vector<float> w(length);
  ScratchRun run;
  run.add("w", w);
  const ckpt::rundir::Layout layout(run_directory);
  ckpt::rundir::Blocks others(*world.disk, layout, {});
  ckpt::rundir::Claim claim;
  claim.role = "program";
  REQUIRE(others.claim(claim, others.newest()));
  run.restore();
  CHECK(damaged(world).empty());
}
