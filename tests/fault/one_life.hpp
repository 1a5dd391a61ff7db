// SPDX-License-Identifier: Apache-2.0
// One life of a small deterministic program on a fake disk, told as what it could know itself: what it was told is
// durable, what it restored, and whether that was exact.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fault/fake_disk.hpp"
#include "include/ckpt/ckpt.h"

namespace ckpt::testing {

inline const std::string run_directory = "/scratch/run";

struct LifePlan {
  std::uint64_t total = 12;         // steps of the whole work
  std::uint64_t save_every = 3;     // explicit saves, each waited for
  std::uint64_t stop_after = 0;     // leaves without finish after this many steps of this life; 0: never
};

struct Life {
  ckpt_status opened = CKPT_OK;
  ckpt_status restored = CKPT_OK;   // CKPT_OK, CKPT_FRESH or the error
  std::uint64_t resumed_step = 0;
  bool exact = true;                // what was restored is what the step's state must be
  std::optional<std::uint64_t> durable_step;   // newest that ckpt_wait or ckpt_finish promised
  bool finished = false;
  int exit_code = 1;
};

// A disk with an empty /scratch, and the process-wide file system and clock for the time of a test. The clock is real
// but never sleeps, so that retries cost nothing.
class FakeWorld {
 public:
  FakeWorld();
  ~FakeWorld();
  static std::unique_ptr<FakeDisk> empty_disk();
};

Life live(FakeDisk& disk, const LifePlan& plan);

// The file of the snapshot that `block` would write at `step`, made on a disk of its own: another owner can put it down
// from inside a hook, where HDF5 may be in the middle of a call.
std::string snapshot_content(std::uint64_t block, std::uint64_t step);

}  // namespace ckpt::testing
