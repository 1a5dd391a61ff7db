// SPDX-License-Identifier: Apache-2.0
// What a program does while the snapshot before is still being written.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <thread>

#include "scratch_run.hpp"
#include "snapshot/reader.hpp"

using namespace ckpt::testing;

namespace {

// A writer that stands still at its next calls until it is let go; 10 s, so that a hang becomes a failure. Outlives the run.
struct StandingWriter {
  const std::thread::id program = std::this_thread::get_id();
  std::atomic<bool> let_go{false}, lost_patience{false};

  void stop(FakeDisk& disk) {   // from now on
    constexpr int calls = 50;
    const std::uint64_t now = disk.calls();
    for (int more = 1; more <= calls; ++more) disk.at_call(now + more, [this] { stand(); });
  }
  void stand() {
    if (std::this_thread::get_id() == program || lost_patience) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!let_go && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!let_go) lost_patience = true;
  }
};

}  // namespace

TEST_CASE("a save that comes while the one before is written waits for it, and each holds its own state") {
  ScratchWorld world;
  std::vector<float> w(1000, 1.0f);
  StandingWriter writer;
  ScratchRun run;
  run.add("w", w);
  run.restore();
  writer.stop(*world.disk);
  REQUIRE(ckpt_save(run.run, 1, nullptr) == CKPT_OK);
  w.assign(w.size(), 2.0f);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    writer.let_go = true;
  });
  const ckpt_status second = run.save_durably(2);
  later.join();
  REQUIRE(second == CKPT_OK);
  REQUIRE(world.snapshots().size() == 2);
  for (const float step : {1.0f, 2.0f}) {
    ckpt::snapshot::Reader reader(*world.disk, world.snapshots()[static_cast<std::size_t>(step) - 1]);
    std::vector<float> saved(w.size());
    reader.read_array(0, {.contiguous = reinterpret_cast<std::byte*>(saved.data()), .copy_in = {}}, 1);
    REQUIRE(saved == std::vector<float>(w.size(), step));
  }
}

TEST_CASE("a point does not wait for what is being written, although the next save is due") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  StandingWriter writer;
  ScratchRun run({{"save_interval", "1ms"}});
  run.add("w", w);
  run.restore();
  writer.stop(*world.disk);
  REQUIRE(ckpt_save(run.run, 1, nullptr) == CKPT_OK);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);   // several looks of the watcher
  for (std::uint64_t step = 2; std::chrono::steady_clock::now() < end; ++step) {
    REQUIRE(ckpt_point(run.run, step) == CKPT_GO);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE_FALSE(writer.lost_patience);
  writer.let_go = true;
}
