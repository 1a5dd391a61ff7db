// SPDX-License-Identifier: Apache-2.0
// libckpt is a guest in a program that may use HDF5 itself.
#include <catch2/catch.hpp>
#include <hdf5.h>

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "sample_state.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using snapshot::Reader;
using snapshot::write_snapshot;

namespace {

herr_t handler_of_the_program(hid_t, void* calls) {
  ++*static_cast<int*>(calls);
  return 0;
}

herr_t old_handler_of_the_program(void* calls) {
  ++*static_cast<int*>(calls);
  return 0;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory)) ++count;
  closedir(directory);
  return count;
}

std::size_t identifiers() {
  hsize_t all = 0;
  for (const H5I_type_t type : {H5I_FILE, H5I_GROUP, H5I_DATATYPE, H5I_DATASPACE, H5I_DATASET, H5I_ATTR, H5I_VFL,
                                H5I_GENPROP_LST}) {
    hsize_t members = 0;
    H5Inmembers(type, &members);
    all += members;
  }
  return all;
}

void use_everything() {
  const SampleState state = every_dtype();
  const auto disk = disk_with(state, small_chunks());
  CHECK(same(state, restored(*disk, 2)));
  disk->flip_bit(snapshot_path, 8 * 300);
  status_of([&] { restored(*disk); });
  disk->cut(snapshot_path, 2000);
  status_of([&] { restored(*disk); });
  for (std::uint64_t n = 1; n < 60; n += 7) {
    const auto faulty = disk_with(state, small_chunks());
    faulty->fail_call(faulty->calls() + n, EIO);
    status_of([&] { restored(*faulty, 2); });
    const auto full = empty_disk();
    full->fail_call(n, ENOSPC);
    status_of([&] { write_snapshot(*full, snapshot_path, state.header, state.sources(), small_chunks()); });
  }
}

}  // namespace

TEST_CASE("the program's handler of HDF5 errors is never called for ours, and stays in force") {
  int calls = 0;
  REQUIRE(H5Eset_auto2(H5E_DEFAULT, handler_of_the_program, &calls) >= 0);
  use_everything();
  CHECK(calls == 0);
  H5E_auto2_t handler = nullptr;
  void* data = nullptr;
  REQUIRE(H5Eget_auto2(H5E_DEFAULT, &handler, &data) >= 0);
  CHECK(handler == handler_of_the_program);
  CHECK(data == &calls);
  H5Dopen2(-1, "x", H5P_DEFAULT);
  CHECK(calls == 1);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

TEST_CASE("a handler that the program set the old way stays in force as well") {
  int calls = 0;
  REQUIRE(H5Eset_auto1(old_handler_of_the_program, &calls) >= 0);
  use_everything();
  CHECK(calls == 0);
  H5Dopen2(-1, "x", H5P_DEFAULT);
  CHECK(calls == 1);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

TEST_CASE("no identifier and no descriptor is left behind, by successes or failures") {
  use_everything();   // what HDF5 and zstd make once
  const std::size_t identifiers_before = identifiers();
  const std::size_t descriptors_before = open_descriptors();
  use_everything();
  CHECK(identifiers() == identifiers_before);
  CHECK(open_descriptors() == descriptors_before);
  CHECK(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) == 0);
}

TEST_CASE("a program that closes HDF5 between two snapshots does no harm") {
  const SampleState state = small_state();
  const auto disk = disk_with(state);
  H5close();
  CHECK(same(state, restored(*disk)));
  H5close();
  CHECK(same(state, restored(*disk_with(state))));
}

TEST_CASE("a program that met a damaged snapshot ends without a word of HDF5") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  int messages[2];
  REQUIRE(pipe(messages) == 0);
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    dup2(messages[1], STDERR_FILENO);
    std::size_t damaged = 0;
    for (std::uint64_t byte = 64; byte < 1500; byte += 50) {
      disk->flip_bit(snapshot_path, byte * 8);
      damaged += status_of([&] { restored(*disk); }) == CKPT_ERR_DAMAGED;
    }
    std::exit(damaged > 10 ? 0 : 1);   // HDF5 closes itself
  }
  close(messages[1]);
  std::string said;
  char buffer[512];
  for (ssize_t bytes; (bytes = read(messages[0], buffer, sizeof buffer)) > 0;) said.append(buffer, bytes);
  close(messages[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(said == "");
}

TEST_CASE("snapshots are written and read in several threads at once") {
  const SampleState state = every_dtype();
  std::vector<std::thread> threads;
  std::atomic<int> whole{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) whole += same(state, restored(*disk_with(state, small_chunks()), 2));
    });
  for (auto& thread : threads) thread.join();
  CHECK(whole == 20);
}
