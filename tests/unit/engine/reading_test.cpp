// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "scratch_run.hpp"

using namespace ckpt::testing;
using Catch::Contains;

namespace {

void put_snapshots(std::initializer_list<std::uint64_t> steps) {
  std::vector<float> w = {1, 2, 3};
  float rate = 0.5f;
  ckpt_array scalar{};
  scalar.data = &rate;
  scalar.dtype = CKPT_F32;
  ScratchRun run;
  run.add("layer/w", w);
  REQUIRE(ckpt_add(run.run, "rate", &scalar, nullptr) == CKPT_OK);
  run.restore();
  for (std::uint64_t step : steps) REQUIRE(run.save_durably(step) == CKPT_OK);
}

}  // namespace

TEST_CASE("anybody can list a run's snapshots, newest first, and read arrays from them") {
  ScratchWorld world;
  put_snapshots({3, 10});
  ckpt_catalog* catalog = nullptr;
  REQUIRE(ckpt_catalog_open(run_directory.c_str(), &catalog, nullptr) == CKPT_OK);
  REQUIRE(ckpt_catalog_count(catalog) == 2);
  ckpt_snapshot_info info{};
  const char* path = nullptr;
  REQUIRE(ckpt_catalog_get(catalog, 0, &info, &path, nullptr) == CKPT_OK);
  REQUIRE(info.step == 10);
  REQUIRE(info.block == 1);
  REQUIRE(ckpt_catalog_get(catalog, 2, &info, &path, nullptr) == CKPT_ERR_ARGUMENT);

  ckpt_snapshot* snapshot = nullptr;
  REQUIRE(ckpt_snapshot_open(path, &snapshot, nullptr) == CKPT_OK);
  REQUIRE(ckpt_snapshot_get_info(snapshot, &info, nullptr) == CKPT_OK);
  REQUIRE(info.arrays == 2);
  REQUIRE(info.state_bytes == 16);
  const char* name = nullptr;
  ckpt_array array{};
  REQUIRE(ckpt_snapshot_array(snapshot, 0, &name, &array, nullptr) == CKPT_OK);
  REQUIRE(std::string(name) == "layer/w");
  REQUIRE(array.shape[0] == 3);
  REQUIRE(ckpt_snapshot_array(snapshot, 1, &name, &array, nullptr) == CKPT_OK);
  REQUIRE(array.ndim == 0);
  std::vector<float> w(3);
  REQUIRE(ckpt_snapshot_read(snapshot, "layer/w", w.data(), 12, nullptr) == CKPT_OK);
  REQUIRE(w == std::vector<float>{1, 2, 3});
  ckpt_error error{};
  REQUIRE(ckpt_snapshot_read(snapshot, "layer/w", w.data(), 8, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_snapshot_read(snapshot, "absent", w.data(), 8, &error) == CKPT_ERR_NOT_FOUND);
  REQUIRE(ckpt_snapshot_read(snapshot, "layer/w", nullptr, 12, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_snapshot_verify(snapshot, nullptr) == CKPT_OK);
  ckpt_snapshot_close(&snapshot);
  ckpt_catalog_close(&catalog);
  REQUIRE(snapshot == nullptr);
}

TEST_CASE("reading nothing, or what is no run and no snapshot, is an error that says which") {
  ScratchWorld world;
  world.disk->put("/scratch/notes.txt", "hello");
  ckpt_error error{};
  ckpt_catalog* catalog = nullptr;
  REQUIRE(ckpt_catalog_open("/scratch/absent", &catalog, &error) == CKPT_ERR_NOT_FOUND);
  REQUIRE_THAT(std::string(error.text), Contains("/scratch/absent"));
  REQUIRE(ckpt_catalog_open(nullptr, &catalog, &error) == CKPT_ERR_ARGUMENT);
  REQUIRE(ckpt_catalog_count(nullptr) == 0);
  ckpt_snapshot* snapshot = nullptr;
  REQUIRE(ckpt_snapshot_open("/scratch/absent.h5", &snapshot, &error) == CKPT_ERR_NOT_FOUND);
  REQUIRE(ckpt_snapshot_open("/scratch/notes.txt", &snapshot, &error) == CKPT_ERR_DAMAGED);
  REQUIRE_THAT(std::string(error.text), Contains("/scratch/notes.txt"));
  REQUIRE(snapshot == nullptr);
  REQUIRE(ckpt_snapshot_verify(nullptr, &error) == CKPT_ERR_ARGUMENT);
  ckpt_snapshot_close(&snapshot);
}

TEST_CASE("an error is exactly 1024 bytes, always terminated, and cleared by success") {
  REQUIRE(sizeof(ckpt_error) == 1024);
  ScratchWorld world;
  ckpt_error error{};
  const std::string long_path = "/scratch/" + std::string(3000, 'x');
  ckpt_snapshot* snapshot = nullptr;
  REQUIRE(ckpt_snapshot_open(long_path.c_str(), &snapshot, &error) != CKPT_OK);
  REQUIRE(std::string(error.text).size() == sizeof error.text - 1);
  ckpt_config* config = nullptr;
  REQUIRE(ckpt_config_create(&config, &error) == CKPT_OK);
  REQUIRE(std::string(error.text).empty());
  REQUIRE(error.status == CKPT_OK);
  ckpt_config_free(&config);
}

TEST_CASE("every status has a text of its own") {
  const std::string unknown = ckpt_status_text(12345);
  for (int status : {0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 30, 31, 32, 40, 41, 42, 43, 50, 51, 52, 53, 90})
    REQUIRE(ckpt_status_text(status) != unknown);
}
