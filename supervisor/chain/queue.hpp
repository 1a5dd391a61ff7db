// SPDX-License-Identifier: Apache-2.0
// Carries out what job_step decided, and says what runs next. Each call asks the scheduler, which may take seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "chain/job_step.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

class Queue {
 public:
  Queue(io::FileSystem& fs, Scheduler& scheduler, rundir::Layout layout, rundir::Permissions permissions)
      : fs_(fs), scheduler_(scheduler), layout_(std::move(layout)), permissions_(permissions) {}

  // seconds_left, one_start_seconds and blocks_needed are the caller's.
  JobFacts look();
  // When a block begins: sends what is to follow the last one. What it said in the log is all that people are told now.
  void secure_next(std::uint64_t blocks_needed, std::uint64_t block);
  // One sentence for people: "3 tasks of array 4711 wait and go on; nothing to do".
  std::string carry_out(const JobStep& step, const JobFacts& facts, std::uint64_t block);

  // Cancels what of this chain, or of this trial, has not started.
  std::string cancel(const QueueFacts& queue);

 private:
  std::string extend(const JobFacts& facts, std::uint64_t blocks, std::uint64_t block);
  std::string send(const JobFacts& facts, std::uint64_t blocks);
  std::string tell(const JobFacts& facts, std::uint64_t blocks);
  std::string how_to_go_on(std::uint64_t blocks);

  io::FileSystem& fs_;
  Scheduler& scheduler_;
  rundir::Layout layout_;
  rundir::Permissions permissions_;
};

}  // namespace ckpt::supervisor
