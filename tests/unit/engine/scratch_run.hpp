// SPDX-License-Identifier: Apache-2.0
// A run on a fake disk, through the C ABI, with as little ceremony as a test can have.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fault/fake_disk.hpp"
#include "fault/one_life.hpp"
#include "include/ckpt/ckpt.h"

namespace ckpt::testing {

using Settings = std::initializer_list<std::pair<const char*, const char*>>;

// The fake world with one empty disk as the file system of this process.
struct ScratchWorld : FakeWorld {
  std::unique_ptr<FakeDisk> disk = empty_disk();
  ScratchWorld() { io::set_file_system(disk.get()); }
  void use(std::unique_ptr<FakeDisk> other) {
    disk = std::move(other);
    io::set_file_system(disk.get());
  }
  std::vector<std::string> snapshots() const;   // paths of the published ones, sorted by name
};

// Owns the handle; closes it at the end of the scope unless the test did.
class ScratchRun {
 public:
  explicit ScratchRun(Settings settings = {}, const std::string& directory = run_directory);
  ~ScratchRun() { ckpt_close(&run); }
  ScratchRun(const ScratchRun&) = delete;

  ckpt_status add(const char* name, std::vector<float>& values);
  ckpt_status restore() { return ckpt_restore(run, &step, &error); }
  ckpt_status save_durably(std::uint64_t at) {
    const ckpt_status status = ckpt_save(run, at, &error);
    return status == CKPT_OK ? ckpt_wait(run, 60, &error) : status;
  }
  int close() { return ckpt_close(&run); }
  std::string text() const { return error.text; }

  ckpt_run* run = nullptr;
  ckpt_status opened = CKPT_OK;
  ckpt_error error{};
  std::uint64_t step = 0;
};

ckpt_array array_of(std::vector<float>& values);

}  // namespace ckpt::testing
