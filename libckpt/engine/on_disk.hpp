// SPDX-License-Identifier: Apache-2.0
// Everything a run has that an inert one has not. Private to the files of Run.
#pragma once

#include <thread>

#include "engine/progress_pace.hpp"
#include "engine/restore.hpp"
#include "engine/run.hpp"
#include "engine/schedule.hpp"
#include "engine/signals.hpp"
#include "rundir/ledger.hpp"
#include "rundir/run_record.hpp"
#include "staging/area.hpp"
#include "staging/drain.hpp"

namespace ckpt::engine {

struct Run::OnDisk {
  io::FileSystem& fs;
  rundir::Layout layout;
  rundir::Permissions permissions;
  rundir::Blocks blocks;
  rundir::Catalog catalog;
  Ownership ownership;
  unsigned threads;
  rundir::Ledger ledger;
  Restorer restorer;
  Schedule schedule;
  ProgressPace progress_pace;         // under Run::mutex_
  SignalRequests signals;
  staging::Area area;

  std::mutex station_mutex;           // guards ownership.station: watcher and drain both speak
  int wake_fd = -1;                   // eventfd: ends the watcher's wait
  std::atomic<bool> closing{false};
  double tick_seconds = 0.5;
  double next_request_check = 0, next_newest_check = 0, next_status = 0;   // watcher's thread

  std::optional<staging::Drain> drain;   // its thread uses what is above
  std::thread watcher;

  OnDisk(io::FileSystem& file_system, rundir::Layout layout_, rundir::Permissions permissions_, Ownership ownership_,
         const Options& options, Clock& clock);
  ~OnDisk();
  void end_threads();                 // finishes what is staged
  bool alone() const { return ownership.welcome.accepted == false; }   // no ckptrun: requests are ours to take
  std::uint64_t block() const { return ownership.block; }
};

}  // namespace ckpt::engine
