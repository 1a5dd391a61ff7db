// SPDX-License-Identifier: Apache-2.0
// status.json: what the run does now, for people and dashboards. It decides nothing.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.hpp"
#include "block/program_talk.hpp"
#include "io/file_system.hpp"
#include "rundir/catalog.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

class StatusBoard {
 public:
  StatusBoard(io::FileSystem& fs, Clock& clock, rundir::Layout layout);

  void set_permissions(rundir::Permissions permissions) { permissions_ = permissions; }
  void set(const char* key, nlohmann::json value);
  void set_news(const ProgramNews& news);
  void set_end(double monotonic_seconds) { end_ = monotonic_seconds; }
  void clear_block();                                // what is only true of the block that has ended

  void write_when_due();                             // changed, and the last time is two seconds ago
  void write();                                      // now: the state has changed

 private:
  io::FileSystem& fs_;
  Clock& clock_;
  rundir::Layout layout_;
  rundir::Permissions permissions_;
  nlohmann::json fields_;
  double end_ = std::numeric_limits<double>::infinity();
  double last_written_ = -std::numeric_limits<double>::infinity();
  bool changed_ = true;
};

}  // namespace ckpt::supervisor
