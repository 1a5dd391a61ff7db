// SPDX-License-Identifier: Apache-2.0
// State that is found out anew at each save and each restore, and stops that come from the program itself.
#include <catch2/catch.hpp>

#include <functional>

#include "scratch_run.hpp"

using namespace ckpt::testing;
using Catch::Contains;

namespace {

using Prepare = std::function<int(ckpt_snapshot*)>;

int call_prepare(void* user, ckpt_snapshot* snapshot) { return (*static_cast<Prepare*>(user))(snapshot); }

ckpt_status on_prepare(ScratchRun& run, Prepare& prepare) {
  return ckpt_on_prepare(run.run, call_prepare, &prepare, &run.error);
}

std::string value_of(const ckpt_snapshot* snapshot, const char* key) {
  char text[64] = "";
  std::size_t length = 0;
  REQUIRE(ckpt_snapshot_get(snapshot, key, text, sizeof text, &length, nullptr) == CKPT_OK);
  return {text, length};
}

// A run whose state grows: at step n it has n values and says so.
void put_growing_snapshots(std::initializer_list<std::uint64_t> steps) {
  std::vector<float> w;
  ScratchRun run;
  run.add("w", w);
  run.restore();
  for (std::uint64_t step : steps) {
    w.assign(step, static_cast<float>(step));
    const ckpt_array moved = array_of(w);
    REQUIRE(ckpt_update(run.run, "w", &moved, nullptr) == CKPT_OK);
    REQUIRE(ckpt_set(run.run, "count", std::to_string(step).c_str(), nullptr) == CKPT_OK);
    REQUIRE(run.save_durably(step) == CKPT_OK);
  }
}

}  // namespace

TEST_CASE("what prepare registers at a save is what is saved") {
  ScratchWorld world;
  std::vector<float> first = {1}, second = {2, 3};
  {
    ScratchRun run;
    run.add("first", first);
    run.restore();
    Prepare prepare = [&](ckpt_snapshot* snapshot) {
      REQUIRE(snapshot == nullptr);
      ckpt_remove(run.run, "first", nullptr);
      return run.add("second", second);
    };
    REQUIRE(on_prepare(run, prepare) == CKPT_OK);
    REQUIRE(run.save_durably(1) == CKPT_OK);
  }
  second = {0, 0};
  ScratchRun next;
  next.add("second", second);
  REQUIRE(next.restore() == CKPT_OK);
  REQUIRE(second == std::vector<float>{2, 3});
}

TEST_CASE("a prepare that fails costs that save and nothing else") {
  ScratchWorld world;
  std::vector<float> w = {1};
  int answer = 1;
  ScratchRun run;
  run.add("w", w);
  run.restore();
  Prepare prepare = [&](ckpt_snapshot*) { return answer; };
  on_prepare(run, prepare);
  REQUIRE(ckpt_save(run.run, 1, &run.error) == CKPT_ERR_CALLBACK);
  REQUIRE_THAT(run.text(), Contains("nothing was saved"));
  REQUIRE(world.snapshots().empty());
  answer = 0;
  REQUIRE(run.save_durably(2) == CKPT_OK);
  REQUIRE(ckpt_point(run.run, 3) == CKPT_GO);
}

TEST_CASE("at a restore prepare reads the snapshot's values and allocates what it holds") {
  ScratchWorld world;
  put_growing_snapshots({3});
  std::vector<float> w;
  ScratchRun run;
  Prepare prepare = [&](ckpt_snapshot* snapshot) {
    w.resize(std::stoul(value_of(snapshot, "count")));
    return run.add("w", w);
  };
  on_prepare(run, prepare);
  REQUIRE(run.restore() == CKPT_OK);
  REQUIRE(w == std::vector<float>{3, 3, 3});
}

TEST_CASE("prepare runs again for the older snapshot when the newest is damaged, wherever it is") {
  ScratchWorld prepared;
  put_growing_snapshots({3, 5});
  const std::string newest = prepared.snapshots().back();
  const std::uint64_t bytes = prepared.disk->content(newest).size();
  int prepared_twice = 0;
  for (std::uint64_t byte = 0; byte < bytes; byte += 11) {
    ScratchWorld world;
    world.use(prepared.disk->clone());
    world.disk->flip_bit(newest, byte * 8 + byte % 8);
    std::vector<float> w;
    int calls = 0;
    ScratchRun run;
    Prepare prepare = [&](ckpt_snapshot* snapshot) {
      w.resize(std::stoul(value_of(snapshot, "count")));
      const ckpt_array array = array_of(w);
      return ++calls > 1 ? ckpt_update(run.run, "w", &array, nullptr) : run.add("w", w);
    };
    on_prepare(run, prepare);
    INFO("bit " << byte % 8 << " of byte " << byte << ": " << run.text());
    REQUIRE(run.restore() == CKPT_OK);
    REQUIRE(w == std::vector<float>(run.step, static_cast<float>(run.step)));
    prepared_twice += calls == 2;
  }
  REQUIRE(prepared_twice > 0);
}

TEST_CASE("a prepare that fails at a restore is sticky, and the snapshot stays the newest") {
  ScratchWorld world;
  put_growing_snapshots({3});
  {
    ScratchRun run;
    Prepare prepare = [](ckpt_snapshot*) { return 1; };
    on_prepare(run, prepare);
    REQUIRE(run.restore() == CKPT_ERR_CALLBACK);
    REQUIRE(ckpt_point(run.run, 4) == CKPT_STOP);
  }
  REQUIRE(world.snapshots().size() == 1);
}

TEST_CASE("the values of a snapshot keep the order of their members") {
  ScratchWorld world;
  std::vector<float> w = {1};
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(ckpt_set(run.run, "tree", R"({"z":1,"a":[1.5,-0.0]})", nullptr) == CKPT_OK);
    REQUIRE(run.save_durably(1) == CKPT_OK);
  }
  ScratchRun next;
  next.add("w", w);
  next.restore();
  char text[64];
  REQUIRE(ckpt_get(next.run, "tree", text, sizeof text, nullptr, nullptr) == CKPT_OK);
  REQUIRE(std::string(text) == R"({"z":1,"a":[1.5,-0.0]})");
}

TEST_CASE("a program may ask for its own stop") {
  ScratchWorld world;
  std::vector<float> w = {1};
  ScratchRun run;
  run.add("w", w);
  run.restore();
  REQUIRE(ckpt_point(run.run, 1) == CKPT_GO);
  REQUIRE(ckpt_stop(run.run, "the loss is good enough for today", nullptr) == CKPT_OK);
  REQUIRE(ckpt_stop_due(run.run) == 1);
  REQUIRE(ckpt_point(run.run, 2) == CKPT_STOP);
  REQUIRE(run.close() == 85);
}

TEST_CASE("who leaves far from a safe point stops at the newest snapshot") {
  ScratchWorld world;
  std::vector<float> w = {1};
  {
    ScratchRun run;
    run.add("w", w);
    run.restore();
    REQUIRE(ckpt_leave(run.run, &run.error) == CKPT_ERR_NOT_FOUND);
    REQUIRE(ckpt_save(run.run, 1, nullptr) == CKPT_OK);
    REQUIRE(ckpt_point(run.run, 2) == CKPT_GO);
    ckpt_stop(run.run, "asked", nullptr);
    REQUIRE(ckpt_leave(run.run, nullptr) == CKPT_OK);
    REQUIRE(run.close() == 85);
  }
  ScratchRun next;
  next.add("w", w);
  REQUIRE(next.restore() == CKPT_OK);
  REQUIRE(next.step == 1);
  ckpt_stop(next.run, "asked again", nullptr);
  REQUIRE(ckpt_leave(next.run, nullptr) == CKPT_OK);   // nothing new: at the restored one
  REQUIRE(next.close() == 85);
}

TEST_CASE("a run knows its directory and its block; an inert one has neither") {
  ScratchWorld world;
  for (std::uint64_t block : {1, 2}) {
    ScratchRun run;
    REQUIRE(ckpt_directory(run.run) == run_directory);
    REQUIRE(ckpt_block(run.run) == block);
  }
  REQUIRE(ckpt_directory(nullptr) == nullptr);
  REQUIRE(ckpt_block(nullptr) == 0);
}
