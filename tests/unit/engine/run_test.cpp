// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <cmath>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>
#include <cstdlib>
#include <unistd.h>

#include "rundir/blocks.hpp"
#include "rundir/layout.hpp"
#include "rundir/ledger.hpp"
#include "scratch_run.hpp"

using namespace ckpt::testing;
using Catch::Contains;

namespace {

void be_asked_to_stop(const ScratchRun& run) {
  ::raise(SIGTERM);
  while (!ckpt_stop_due(run.run)) {
  }
}

}  // namespace

TEST_CASE("without a directory a run is inert: everything succeeds and nothing is written") {
  ScratchWorld world;
  ::unsetenv("CKPT_RUN_DIR");
  ckpt_run* run = nullptr;
  REQUIRE(ckpt_open(nullptr, &run, nullptr) == CKPT_OK);
  std::vector<float> w(4);
  const ckpt_array array = array_of(w);
  std::uint64_t step = 7;
  REQUIRE(ckpt_add(run, "w", &array, nullptr) == CKPT_OK);
  REQUIRE(ckpt_restore(run, &step, nullptr) == CKPT_FRESH);
  REQUIRE(step == 0);
  REQUIRE(ckpt_point(run, 5) == CKPT_GO);
  REQUIRE(ckpt_point(run, 3) == CKPT_GO);
  REQUIRE(ckpt_save(run, 5, nullptr) == CKPT_OK);
  REQUIRE(ckpt_wait(run, 0, nullptr) == CKPT_OK);
  REQUIRE(std::isinf(ckpt_time_left(run)));
  REQUIRE(ckpt_stop_due(run) == 0);
  REQUIRE(ckpt_finish(run, 5, nullptr) == CKPT_OK);
  REQUIRE(ckpt_close(&run) == 0);
  REQUIRE(run == nullptr);
  REQUIRE(world.disk->files().empty());
}

TEST_CASE("a saved state comes back, values included, and finish makes close return 0") {
  ScratchWorld world;
  std::vector<float> w = {1, 2, 3};
  {
    ScratchRun first;
    REQUIRE(first.add("w", w) == CKPT_OK);
    REQUIRE(ckpt_set(first.run, "best", "0.5", nullptr) == CKPT_OK);
    REQUIRE(first.restore() == CKPT_FRESH);
    REQUIRE(first.save_durably(10) == CKPT_OK);
    REQUIRE(first.close() == 1);   // neither finished nor stopped
  }
  w = {0, 0, 0};
  ScratchRun second;
  REQUIRE(second.add("w", w) == CKPT_OK);
  REQUIRE(second.restore() == CKPT_OK);
  REQUIRE(second.step == 10);
  REQUIRE(w == std::vector<float>{1, 2, 3});
  char text[8] = "";
  std::size_t length = 0;
  REQUIRE(ckpt_get(second.run, "best", text, sizeof text, &length, nullptr) == CKPT_OK);
  REQUIRE(std::string(text, length) == "0.5");
  REQUIRE(ckpt_finish(second.run, 11, nullptr) == CKPT_OK);
  REQUIRE(second.close() == 0);
}

TEST_CASE("the program may change its arrays as soon as save has returned") {
  ScratchWorld world;
  std::vector<float> w(100'000, 1.0f);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(ckpt_save(run.run, 1, nullptr) == CKPT_OK);
    std::fill(w.begin(), w.end(), 2.0f);
    REQUIRE(ckpt_wait(run.run, 60, nullptr) == CKPT_OK);
  }
  ScratchRun next;
  next.add("w", w);
  REQUIRE(next.restore() == CKPT_OK);
  REQUIRE(w == std::vector<float>(100'000, 1.0f));
}

TEST_CASE("a state that does not fit the staging area is written while the program waits") {
  ScratchWorld world;
  std::vector<float> w(1000, 3.0f);
  {
    ScratchRun run({{"staging_size", "0"}});
    run.add("w", w);
    run.restore();
    REQUIRE(ckpt_save(run.run, 1, nullptr) == CKPT_OK);
    REQUIRE(world.snapshots().size() == 1);   // durable already: it waited
    std::fill(w.begin(), w.end(), 4.0f);
  }
  ScratchRun next;
  next.add("w", w);
  REQUIRE(next.restore() == CKPT_OK);
  REQUIRE(w == std::vector<float>(1000, 3.0f));
}

TEST_CASE("a point at the step just restored or saved does not save again") {
  ScratchWorld world;
  std::vector<float> w(4);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    run.save_durably(5);
  }
  ScratchRun run({{"save_interval", "1ms"}});
  run.add("w", w);
  run.restore();
  for (int i = 0; i < 50; ++i) REQUIRE(ckpt_point(run.run, 5) == CKPT_GO);
  REQUIRE(world.snapshots().size() == 1);
}

TEST_CASE("retention keeps the newest two, and what was kept by name") {
  ScratchWorld world;
  std::vector<float> w(4);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  for (std::uint64_t step : {1, 2, 3, 4}) {
    REQUIRE(run.save_durably(step) == CKPT_OK);
    if (step == 1) REQUIRE(ckpt_keep(run.run, 1, "best", nullptr) == CKPT_OK);
  }
  REQUIRE(world.snapshots().size() == 2);
  REQUIRE(world.disk->exists(run_directory + "/kept/best.h5"));
  REQUIRE(ckpt_keep(run.run, 1, "gone", &run.error) == CKPT_ERR_NOT_FOUND);
  REQUIRE(ckpt_keep(run.run, 4, "../escape", &run.error) == CKPT_ERR_NAME);
}

TEST_CASE("find tells the shape in the snapshot before anything is added") {
  ScratchWorld world;
  std::vector<float> w(6, 1.5f);
  {
    ScratchRun run;
    run.add("layer/w", w);
    run.restore();
    run.save_durably(2);
  }
  ScratchRun run;
  ckpt_array found{};
  REQUIRE(ckpt_find(run.run, "layer/w", &found, nullptr) == CKPT_OK);
  REQUIRE(found.dtype == CKPT_F32);
  REQUIRE(found.ndim == 1);
  REQUIRE(found.shape[0] == 6);
  REQUIRE(ckpt_find(run.run, "layer", &found, &run.error) == CKPT_ERR_NOT_FOUND);
  std::vector<float> v(found.shape[0]);
  run.add("layer/w", v);
  REQUIRE(run.restore() == CKPT_OK);
  REQUIRE(v == w);
}

TEST_CASE("an updated array is what the next save holds") {
  ScratchWorld world;
  std::vector<float> small(2, 1.0f), large(9, 2.0f);
  {
    ScratchRun run;
    run.add("w", small);
    run.restore();
    run.save_durably(1);
    const ckpt_array array = array_of(large);
    REQUIRE(ckpt_update(run.run, "w", &array, nullptr) == CKPT_OK);
    REQUIRE(run.save_durably(2) == CKPT_OK);
  }
  std::vector<float> back(9);
  ScratchRun run;
  run.add("w", back);
  REQUIRE(run.restore() == CKPT_OK);
  REQUIRE(back == large);
}

TEST_CASE("a failed save is told, the older snapshot stands, and the next save works") {
  ScratchWorld world;
  std::vector<float> w(1000, 1.0f);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  REQUIRE(run.save_durably(1) == CKPT_OK);
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.name == "write_at"; }, ENOSPC);
  REQUIRE(run.save_durably(2) == CKPT_ERR_NO_SPACE);
  REQUIRE_THAT(run.text(), Contains("No space left"));
  REQUIRE(ckpt_last_error(run.run, &run.error) == CKPT_ERR_NO_SPACE);
  REQUIRE(ckpt_point(run.run, 3) == CKPT_GO);
  world.disk->clear_faults();
  REQUIRE(world.snapshots().size() == 1);
  REQUIRE(run.save_durably(3) == CKPT_OK);
  REQUIRE(ckpt_last_error(run.run, &run.error) == CKPT_OK);
}

TEST_CASE("finish after a failed save of the same step saves it again") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.name == "sync"; }, EIO);
  REQUIRE(run.save_durably(1) == CKPT_ERR_IO);
  REQUIRE(ckpt_finish(run.run, 1, nullptr) == CKPT_ERR_IO);
  world.disk->clear_faults();
  REQUIRE(ckpt_finish(run.run, 1, nullptr) == CKPT_OK);
  REQUIRE(run.close() == 0);
}

TEST_CASE("a signal is a request to stop: the next point saves and says stop, close returns 85") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run({{"signals", "on"}});
  run.add("w", w);
  run.restore();
  REQUIRE(ckpt_point(run.run, 1) == CKPT_GO);
  be_asked_to_stop(run);
  REQUIRE(ckpt_time_left(run.run) == 0);
  REQUIRE(ckpt_point(run.run, 2) == CKPT_STOP);
  REQUIRE(run.close() == 85);
  REQUIRE(world.snapshots().size() == 1);
}

TEST_CASE("a stop whose save fails is told as a failure, whatever was durable before") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run({{"signals", "on"}});
  run.add("w", w);
  run.restore();
  REQUIRE(run.save_durably(1) == CKPT_OK);
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.path.find("/snapshots/") != std::string::npos; }, ENOSPC);
  be_asked_to_stop(run);
  REQUIRE(ckpt_point(run.run, 2) == CKPT_STOP);
  REQUIRE(run.close() == 1);
  const auto end = ckpt::rundir::Blocks(*world.disk, ckpt::rundir::Layout(run_directory), {}).read_end(1);
  REQUIRE(end);
  REQUIRE(end->outcome == ckpt::rundir::Outcome::crashed);
  REQUIRE(end->reason.find("stopped, but not saved") != std::string::npos);
}

TEST_CASE("a stop at a step whose save had failed saves it once more") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run({{"signals", "on"}});
  run.add("w", w);
  run.restore();
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.name == "sync"; }, ENOSPC);
  REQUIRE(run.save_durably(1) == CKPT_ERR_NO_SPACE);
  world.disk->clear_faults();
  be_asked_to_stop(run);
  REQUIRE(ckpt_point(run.run, 1) == CKPT_STOP);
  REQUIRE(run.close() == 85);
}

TEST_CASE("a block time stops the program in time, with a save") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run({{"block_time", "500ms"}});
  run.add("w", w);
  run.restore();
  REQUIRE(ckpt_time_left(run.run) < 0.5);
  std::uint64_t step = 0;
  while (ckpt_point(run.run, step) == CKPT_GO) ++step;
  REQUIRE(run.close() == 85);
  REQUIRE_FALSE(world.snapshots().empty());
}

TEST_CASE("a block whose next step may not fit tries it all the same: at the step just restored there is nothing to lose") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(run.save_durably(3) == CKPT_OK);
  }
  // What an unlucky earlier block teaches: a step takes an hour.
  for (const auto& path : world.disk->files())
    if (path.find("0001.program-") != std::string::npos && path.ends_with(".jsonl"))
      world.disk->put(path, "{\"event\":\"staged\",\"seconds_between_points\":3600}\n");
  ScratchRun run({{"block_time", "60s"}});
  run.add("w", w);
  REQUIRE(run.restore() == CKPT_OK);
  while (!ckpt_stop_due(run.run)) {
  }
  REQUIRE(ckpt_point(run.run, 3) == CKPT_GO);
  REQUIRE(ckpt_point(run.run, 4) == CKPT_STOP);
  REQUIRE(run.close() == 85);
}

TEST_CASE("a request to stop is obeyed at the step just restored") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(run.save_durably(3) == CKPT_OK);
  }
  ScratchRun run({{"signals", "on"}});
  run.add("w", w);
  REQUIRE(run.restore() == CKPT_OK);
  be_asked_to_stop(run);
  REQUIRE(ckpt_point(run.run, 3) == CKPT_STOP);
  REQUIRE(run.close() == 85);
  REQUIRE(world.snapshots().size() == 1);
}

TEST_CASE("several runs live side by side, one directory twice does not") {
  ScratchWorld world;
  ScratchRun one({}, "/scratch/one"), two({}, "/scratch/two"), again({}, "/scratch/one/");
  REQUIRE(one.opened == CKPT_OK);
  REQUIRE(two.opened == CKPT_OK);
  REQUIRE(again.opened == CKPT_ERR_IN_USE);
  one.close();
  ScratchRun reopened({}, "/scratch/one");
  REQUIRE(reopened.opened == CKPT_OK);
}

TEST_CASE("packed state changes its size from save to save") {
  ScratchWorld world;
  const auto pack = [](void* user, void* buffer, std::size_t capacity) {
    const auto& text = *static_cast<std::string*>(user);
    if (buffer && capacity >= text.size()) text.copy(static_cast<char*>(buffer), text.size());
    return text.size();
  };
  const auto unpack = [](void* user, const void* data, std::size_t size) {
    static_cast<std::string*>(user)->assign(static_cast<const char*>(data), size);
    return 0;
  };
  std::string text = "short";
  {
    ScratchRun run;
    REQUIRE(ckpt_add_packed(run.run, "text", pack, unpack, &text, nullptr) == CKPT_OK);
    run.restore();
    REQUIRE(run.save_durably(1) == CKPT_OK);
    text = std::string(100'000, 'x');
    REQUIRE(run.save_durably(2) == CKPT_OK);
  }
  std::string back;
  ScratchRun run;
  ckpt_add_packed(run.run, "text", pack, unpack, &back, nullptr);
  REQUIRE(run.restore() == CKPT_OK);
  REQUIRE(back == text);
}

namespace {

// Slow to copy out: longer than the watcher looks away.
std::size_t pack_slowly(void* copies, void* buffer, std::size_t) {
  if (buffer) {
    ++*static_cast<int*>(copies);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  }
  return 1;
}

int unpack_nothing(void*, const void*, std::size_t) { return 0; }

}  // namespace

TEST_CASE("a save that takes long to stage is not followed by a second one for the same reason") {
  ScratchWorld world;
  int copies = 0;
  ScratchRun run({{"block_time", "30s"}});   // the first save is due after 0.6 s, the next many seconds later
  REQUIRE(ckpt_add_packed(run.run, "slow", pack_slowly, unpack_nothing, &copies, nullptr) == CKPT_OK);
  run.restore();
  std::uint64_t step = 0;
  while (copies == 0 && ckpt_point(run.run, ++step) == CKPT_GO) {
  }
  REQUIRE(ckpt_wait(run.run, 60, nullptr) == CKPT_OK);
  REQUIRE(ckpt_point(run.run, ++step) == CKPT_GO);
  REQUIRE(copies == 1);
}

TEST_CASE("a step is saved once, also after an older save has failed") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.name == "sync"; }, EIO);
  REQUIRE(run.save_durably(1) == CKPT_ERR_IO);
  world.disk->clear_faults();
  REQUIRE(ckpt_save(run.run, 2, nullptr) == CKPT_OK);
  REQUIRE(ckpt_finish(run.run, 2, &run.error) == CKPT_OK);
  REQUIRE(run.close() == 0);
}

TEST_CASE("restoring again while a snapshot is being written spoils neither") {
  ScratchWorld world;
  std::vector<float> w(50'000, 1.0f), extra(500'000, 5.0f);
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(run.save_durably(1) == CKPT_OK);
    std::fill(w.begin(), w.end(), 2.0f);
    REQUIRE(ckpt_save(run.run, 2, nullptr) == CKPT_OK);
    REQUIRE(run.restore() == CKPT_OK);
    REQUIRE(run.step == 2);
    REQUIRE(w == std::vector<float>(50'000, 2.0f));
  }
}

TEST_CASE("a full disk at the very end turns neither finished nor stopped work into a failure") {
  ScratchWorld world;
  std::vector<float> w(10, 1.0f);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  world.disk->fail_if([](const FakeDisk::Call& call) { return call.path.find(".end.json") != std::string::npos; }, ENOSPC);
  REQUIRE(ckpt_finish(run.run, 2, &run.error) == CKPT_OK);
  REQUIRE(run.close() == 0);
}

namespace {

std::vector<nlohmann::json> ledger_events(const std::string& event) {
  std::vector<nlohmann::json> found;
  const ckpt::rundir::Layout layout(run_directory);
  for (auto& line : ckpt::rundir::read_ledger(ckpt::io::file_system(), layout.program_ledger(1, ::getpid())))
    if (line.at("event") == event) found.push_back(std::move(line));
  return found;
}

}  // namespace

TEST_CASE("the ledger tells when the first safe point was reached, once") {
  ScratchWorld world;
  std::vector<float> w(10);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  CHECK(ledger_events("first_point").empty());
  for (std::uint64_t step = 0; step < 3; ++step) REQUIRE(ckpt_point(run.run, step) == CKPT_GO);
  const auto told = ledger_events("first_point");
  REQUIRE(told.size() == 1);
  CHECK(told[0].at("step") == 0);
}

TEST_CASE("the ledger tells when progress reached a whole unit, so that others learn what an epoch takes") {
  ScratchWorld world;
  ScratchRun run;
  for (const double done : {0.0, 0.25, 0.5, 0.75}) REQUIRE(ckpt_progress(run.run, done, 3, "epoch", nullptr) == CKPT_OK);
  const auto told = ledger_events("progress");
  REQUIRE(told.size() == 1);
  CHECK(told[0].at("done") == 0.0);
  CHECK(told[0].at("total") == 3.0);
  CHECK(told[0].at("unit") == "epoch");
}
