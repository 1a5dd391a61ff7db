// SPDX-License-Identifier: Apache-2.0
#include "block/status_board.hpp"

#include <unistd.h>

#include <cmath>
#include <utility>

#include "base/quantity.hpp"
#include "rundir/json_fields.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double shortest_interval_seconds = 2;
constexpr const char* keys_of_a_block[] = {"stop_in_seconds", "pid", "save_error"};

}  // namespace

StatusBoard::StatusBoard(io::FileSystem& fs, Clock& clock, rundir::Layout layout)
    : fs_(fs), clock_(clock), layout_(std::move(layout)) {
  for (const char* key : {"run", "state", "reason", "block", "pid", "host", "command", "step", "progress", "snapshot",
                          "next", "seconds_to_end", "stop_in_seconds", "stall_seconds", "save_error", "updated"})
    fields_[key] = nullptr;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  fields_["host"] = host;
}

void StatusBoard::set(const char* key, nlohmann::json value) {
  if (fields_[key] == value) return;
  fields_[key] = std::move(value);
  changed_ = true;
}

void StatusBoard::set_news(const ProgramNews& news) {
  if (news.status) {
    const staging::Status& status = *news.status;
    if (status.step) set("step", *status.step);
    if (!status.unit.empty()) set("progress", {{"done", status.done}, {"total", status.total}, {"unit", status.unit}});
    set("stall_seconds", status.stall_seconds);
    set("stop_in_seconds", rundir::or_null(status.stop_in_seconds));
    set("save_error", status.save_error.empty() ? nlohmann::json() : nlohmann::json(status.save_error));
  }
  if (!news.durable) return;
  if (const auto step = fields_["step"]; !step.is_number() || step < news.durable->step) set("step", news.durable->step);
  set("snapshot", {{"step", news.durable->step}, {"block", fields_["block"]},
                   {"file_bytes", news.durable->file_bytes}, {"state_bytes", news.durable->state_bytes}});
}

void StatusBoard::clear_block() {
  for (const char* key : keys_of_a_block) set(key, nullptr);
  end_ = std::numeric_limits<double>::infinity();
}

void StatusBoard::write_when_due() {
  if (changed_ && clock_.monotonic_seconds() - last_written_ >= shortest_interval_seconds) write();
}

void StatusBoard::write() {
  const double now = clock_.monotonic_seconds();
  fields_["seconds_to_end"] = std::isfinite(end_) ? nlohmann::json(end_ - now) : nlohmann::json();
  fields_["updated"] = format_time(clock_.wall_seconds());
  rundir::write_status(fs_, layout_, fields_, permissions_);
  last_written_ = now;
  changed_ = false;
}

}  // namespace ckpt::supervisor
