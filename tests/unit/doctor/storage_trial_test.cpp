// SPDX-License-Identifier: Apache-2.0
#include "doctor/storage_trial.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/clock.hpp"
#include "unit/io/temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::doctor;

TEST_CASE("what a disk can do is tried for real, and nothing is left behind") {
  const testing::TemporaryDirectory folder;
  const StorageTrial trial = try_storage(io::posix_file_system(), system_clock(), folder.path());
  CHECK(trial.create == 0);
  CHECK(trial.sync == 0);
  CHECK(trial.link == 0);
  CHECK(trial.rename == 0);
  CHECK(trial.sync_directory == 0);
  REQUIRE(trial.direct);
  CHECK(trial.clock_skew_seconds == 0);
  CHECK(trial.volume->total_bytes > 0);
  CHECK_FALSE(trial.mount.type.empty());
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("where no file can be written nothing is said about the rest") {
  const StorageTrial trial = try_storage(io::posix_file_system(), system_clock(), "/proc/self");
  CHECK(trial.create.value_or(0) != 0);
  CHECK_FALSE(trial.link);
  CHECK_FALSE(trial.direct);
  CHECK_FALSE(trial.clock_skew_seconds);
}
