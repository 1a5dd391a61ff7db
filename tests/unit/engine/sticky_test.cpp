// SPDX-License-Identifier: Apache-2.0
// What a program that checks nothing may rely on: after a failed open, add or restore it leaves at once with 1.
#include <catch2/catch.hpp>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <functional>

#include "scratch_run.hpp"

using namespace ckpt::testing;
using Catch::Contains;

namespace {

void put_snapshot_of_step_5(ScratchWorld&) {
  std::vector<float> w = {1, 2, 3};
  ScratchRun run;
  run.add("weights", w);
  run.restore();
  REQUIRE(run.save_durably(5) == CKPT_OK);
}

struct TenLines {
  std::string directory = run_directory;
  ckpt_dtype dtype = CKPT_F32;
  const char* name = "weights";
  bool null_data = false, forget_restore = false;
  std::function<void()> before_finish = [] {};
};

struct TenLinesResult {
  int exit_code;
  std::uint64_t steps_done;
};

// The ten lines of ckpt.h, checking nothing; eight steps of work.
TenLinesResult run_ten_lines(const TenLines& how) {
  constexpr std::uint64_t total = 8;
  std::vector<float> w(3);
  std::uint64_t done = 0;
  ckpt_config* config = nullptr;
  ckpt_config_create(&config, nullptr);
  ckpt_config_set(config, "directory", how.directory.c_str(), nullptr);
  ckpt_array array = array_of(w);
  array.dtype = how.dtype;
  if (how.null_data) array.data = nullptr;

  ckpt_run* run = nullptr;
  std::uint64_t step = 0;
  ckpt_open(config, &run, nullptr);
  ckpt_add(run, how.name, &array, nullptr);
  if (!how.forget_restore) ckpt_restore(run, &step, nullptr);
  while (step < total && ckpt_point(run, step) == CKPT_GO) { ++done; ++step; }
  how.before_finish();
  if (step == total) ckpt_finish(run, step, nullptr);
  ckpt_config_free(&config);
  return {ckpt_close(&run), done};
}

void require_harmless(ScratchWorld& world, const TenLines& how) {
  const auto before = world.snapshots();
  const TenLinesResult result = run_ten_lines(how);
  REQUIRE(result.exit_code == 1);
  REQUIRE(result.steps_done == 0);
  REQUIRE(world.snapshots() == before);
}

}  // namespace

TEST_CASE("the ten lines resume and finish when nothing fails") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  const TenLinesResult result = run_ten_lines({});
  REQUIRE(result.exit_code == 0);
  REQUIRE(result.steps_done == 3);
}

TEST_CASE("the ten lines leave at once when open fails") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  world.disk->put("/scratch/file", "not a directory");
  require_harmless(world, {.directory = "/scratch/file"});
}

TEST_CASE("the ten lines leave at once when add fails") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  require_harmless(world, {.null_data = true});
  require_harmless(world, {.name = ""});
}

TEST_CASE("the ten lines leave at once when restore fails") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  require_harmless(world, {.dtype = CKPT_I32});
  require_harmless(world, {.name = "other"});
}

TEST_CASE("the ten lines without their restore shadow nothing in a run that has snapshots") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  require_harmless(world, {.forget_restore = true});
}

TEST_CASE("the ten lines return 1 when finish cannot be made durable") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  const auto before = world.snapshots();
  const TenLinesResult result = run_ten_lines({.before_finish = [&] {
    world.disk->fail_if([](const FakeDisk::Call& call) { return call.name == "write_at"; }, ENOSPC);
  }});
  REQUIRE(result.exit_code == 1);
  REQUIRE(world.snapshots() == before);
}

TEST_CASE("a mismatch names both sides and touches no snapshot") {
  ScratchWorld world;
  put_snapshot_of_step_5(world);
  const auto before = world.snapshots();
  const auto restore_with = [](const char* name, std::uint64_t length, ckpt_dtype dtype) {
    std::vector<float> w(length);
    ScratchRun run;
    ckpt_array array = array_of(w);
    array.dtype = dtype;
    REQUIRE(ckpt_add(run.run, name, &array, nullptr) == CKPT_OK);
    REQUIRE(run.restore() == CKPT_ERR_MISMATCH);
    REQUIRE(ckpt_point(run.run, 1) == CKPT_STOP);
    REQUIRE(ckpt_stop_due(run.run) == 1);
    REQUIRE(run.close() == 1);
    return run.text();
  };
  REQUIRE_THAT(restore_with("weights", 3, CKPT_U32), Contains("u32") && Contains("f32") && Contains("weights"));
  REQUIRE_THAT(restore_with("weights", 4, CKPT_F32), Contains("[4]") && Contains("[3]"));
  REQUIRE_THAT(restore_with("bias", 3, CKPT_F32), Contains("bias") && Contains("--fresh"));
  REQUIRE(world.snapshots() == before);
}

TEST_CASE("a step that decreases is refused for good") {
  ScratchWorld world;
  std::vector<float> w(3);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  REQUIRE(ckpt_point(run.run, 4) == CKPT_GO);
  REQUIRE(ckpt_point(run.run, 3) == CKPT_STOP);
  REQUIRE(ckpt_point(run.run, 5) == CKPT_STOP);
  REQUIRE(ckpt_save(run.run, 5, &run.error) == CKPT_ERR_STEP);
  REQUIRE(run.close() == 1);
}

TEST_CASE("NULL and nonsense at every entry is an error, never a crash") {
  ScratchWorld world;
  ckpt_error error{};
  std::uint64_t step = 0;
  ckpt_array array{};
  REQUIRE(ckpt_open(nullptr, nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_add(nullptr, "w", &array, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_add_packed(nullptr, "w", nullptr, nullptr, nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_update(nullptr, "w", &array, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_remove(nullptr, "w", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_set(nullptr, "k", "1", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_get(nullptr, "k", nullptr, 0, nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_find(nullptr, "w", &array, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_restore(nullptr, &step, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_point(nullptr, 0) == CKPT_STOP);
  REQUIRE(ckpt_save(nullptr, 0, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_wait(nullptr, 0, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_stop_due(nullptr) == 1);
  REQUIRE(ckpt_time_left(nullptr) == 0);
  REQUIRE(ckpt_progress(nullptr, 0, 0, "epoch", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_keep(nullptr, 0, "best", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_finish(nullptr, 0, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_last_error(nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_close(nullptr) == 1);
  ckpt_run* none = nullptr;
  REQUIRE(ckpt_close(&none) == 1);
  REQUIRE(ckpt_config_create(nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_config_set(nullptr, "keep", "2", &error) == CKPT_ERR_ARGUMENT);
  ckpt_config_free(nullptr);

  ScratchRun run;
  REQUIRE(ckpt_set(run.run, nullptr, "1", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_set(run.run, "k", "{not json", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_get(run.run, "k", nullptr, 0, nullptr, &error) == CKPT_ERR_NOT_FOUND);
  REQUIRE(ckpt_progress(run.run, NAN, 1, "epoch", &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_progress(run.run, 1, 1, nullptr, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_wait(run.run, NAN, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_remove(run.run, "absent", &error) == CKPT_ERR_NOT_FOUND);
  REQUIRE(ckpt_add(run.run, nullptr, &array, &error) == CKPT_ERR_ARGUMENT);
}

TEST_CASE("names that cannot be one are refused") {
  std::vector<float> w(3);
  const ckpt_array array = array_of(w);
  const auto status_of = [&](std::initializer_list<const char*> names) {
    ScratchWorld world;
    ScratchRun run;
    ckpt_status status = CKPT_OK;
    for (const char* name : names) status = ckpt_add(run.run, name, &array, nullptr);
    return status;
  };
  for (const char* name : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "\xff", "\xc0\x80", "\xed\xa0\x80"})
    REQUIRE(status_of({name}) == CKPT_ERR_NAME);
  const std::string longest(255, 'x'), longer(256, 'x');
  REQUIRE(status_of({longest.c_str()}) == CKPT_OK);
  REQUIRE(status_of({longer.c_str()}) == CKPT_ERR_NAME);
  REQUIRE(status_of({"a", "a"}) == CKPT_ERR_NAME);
  REQUIRE(status_of({"a", "a/b"}) == CKPT_ERR_NAME);
  REQUIRE(status_of({"a/b", "a"}) == CKPT_ERR_NAME);
  REQUIRE(status_of({"a/b", "ab", "a/c"}) == CKPT_OK);
  REQUIRE(status_of({"gew\xc3\xb6hnlich"}) == CKPT_OK);
}

TEST_CASE("a configuration key that does not exist or does not parse is refused where it is set") {
  ckpt_config* config = nullptr;
  ckpt_config_create(&config, nullptr);
  ckpt_error error{};
  for (const auto& [key, value] : {std::pair{"nonsense", "1"}, {"keep", "0"}, {"keep", "two"}, {"block_time", "soon"},
                                   {"block_time", "0s"}, {"staging_size", "-1"}, {"wait", "maybe"}, {"threads", ""}})
    REQUIRE(ckpt_config_set(config, key, value, &error) == CKPT_ERR_CONFIG);
  REQUIRE_THAT(std::string(error.text), Contains("threads"));
  ckpt_config_free(&config);
}

TEST_CASE("a forked child cannot use the run, and does not harm it") {
  ScratchWorld world;
  std::vector<float> w(3);
  ScratchRun run;
  run.add("w", w);
  run.restore();
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = ckpt_point(run.run, 1) == CKPT_STOP && ckpt_save(run.run, 1, nullptr) == CKPT_ERR_FORKED &&
                         ckpt_finish(run.run, 1, nullptr) == CKPT_ERR_FORKED && ckpt_close(&run.run) == 1;
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  REQUIRE(ckpt_point(run.run, 1) == CKPT_GO);
  REQUIRE(ckpt_finish(run.run, 2, nullptr) == CKPT_OK);
  REQUIRE(run.close() == 0);
}

TEST_CASE("SIGTERM ends a forked child although the program it came from only takes note of it") {
  ScratchWorld world;
  ScratchRun run;
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("several ranks are refused before anything is touched") {
  ScratchWorld world;
  ::setenv("WORLD_SIZE", "4", 1);
  ScratchRun run;
  ::unsetenv("WORLD_SIZE");
  REQUIRE(run.opened == CKPT_ERR_RANKS);
  REQUIRE(world.disk->files().empty());
}

TEST_CASE("device memory is refused where there is no device") {
  ScratchWorld world;
  std::vector<float> w(3);
  ckpt_array array = array_of(w);
  array.device = CKPT_CUDA;
  ScratchRun run;
  REQUIRE(ckpt_add(run.run, "w", &array, &run.error) == CKPT_ERR_NO_DEVICE);
  REQUIRE(run.close() == 1);
}

TEST_CASE("a run directory that cannot be one is refused with the reason") {
  ScratchWorld world;
  world.disk->put("/scratch/file", "");
  ScratchRun file({}, "/scratch/file");
  REQUIRE(file.opened == CKPT_ERR_RUN_DIRECTORY);
  REQUIRE_THAT(file.text(), Contains("/scratch/file"));
  world.disk->set_in_memory(true);
  ScratchRun volatile_run;
  REQUIRE(volatile_run.opened == CKPT_ERR_RUN_DIRECTORY);
  ScratchRun allowed({{"allow_volatile", "on"}});
  REQUIRE(allowed.opened == CKPT_OK);
  allowed.close();
  world.disk->set_in_memory(false);
  world.disk->set_read_only(true);
  ScratchRun read_only({}, "/scratch/new");
  REQUIRE(read_only.opened == CKPT_ERR_PERMISSION);
}
