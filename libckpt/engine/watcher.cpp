// SPDX-License-Identifier: Apache-2.0
// The watcher's thread of a run: it looks at the clock, at signals, at ckptrun and at requests, so that the program's
// thread only has to look at one flag.
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/quantity.hpp"
#include "engine/on_disk.hpp"

namespace ckpt::engine {
namespace {

constexpr double request_check_seconds = 2;
constexpr double newest_check_seconds = 60;
constexpr double status_seconds = 1;

const char* signal_name(int number) {
  return number == SIGTERM ? "SIGTERM" : number == SIGUSR1 ? "SIGUSR1" : number == SIGUSR2 ? "SIGUSR2" : "a signal";
}

// Signals are the program's business: none of them may end up on this thread.
void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

void Run::watch() noexcept {
  block_all_signals();
  while (!disk_->closing) {
    double next = 0;
    try {
      const double now = clock_.monotonic_seconds();
      next = watch_once(now) - now;
    } catch (const std::exception& error) {
      log_warning("while watching over the run {}: {}", options_.directory, error.what());
      next = status_seconds;
    }
    const double seconds = std::clamp(next, 0.001, disk_->tick_seconds);
    pollfd fds[2] = {{disk_->wake_fd, POLLIN, 0}, {-1, POLLIN, 0}};
    {
      const std::lock_guard lock(disk_->station_mutex);
      if (disk_->ownership.station) fds[1].fd = disk_->ownership.station->fd();
    }
    ::poll(fds, 2, static_cast<int>(std::ceil(seconds * 1000)));
  }
}

double Run::watch_once(double now) {
  hear_station(now);
  look_around(now);
  const Schedule::Due due = disk_->schedule.due(now);
  if (due.stop) request_stop(StopCause::time, "the time of this block is nearly used");
  if (due.save) raise(attend_save);
  raise(attend_measure);
  send_status_when_due(now);
  return due.next_event;
}

void Run::hear_station(double now) {
  const std::lock_guard lock(disk_->station_mutex);
  auto& station = disk_->ownership.station;
  if (!station) return;
  while (const auto message = station->receive_from_ckptrun()) act_on(*message, now);
  if (station->open()) return;
  station.reset();
  request_stop(StopCause::request, "ckptrun, which started this program, is gone");
}

void Run::act_on(const staging::FromCkptrun& message, double now) {
  if (const auto* time = std::get_if<staging::TimeNotice>(&message))
    disk_->schedule.set_end(now + time->seconds_to_end, now + time->seconds_to_deadline);
  else if (std::holds_alternative<staging::SaveRequest>(message))
    raise(attend_save);
  else if (const auto* stop = std::get_if<staging::StopRequest>(&message))
    request_stop(StopCause::request, stop->reason);
}

void Run::look_around(double now) {
  if (const int number = options_.handle_signals ? SignalRequests::pending() : 0) request_stop(StopCause::request, signal_name(number));
  if (disk_->alone() && now >= disk_->next_request_check) {
    disk_->next_request_check = now + request_check_seconds;
    for (const auto& request : rundir::take_requests(disk_->fs, disk_->layout)) {
      if (request.kind == rundir::RequestKind::save) raise(attend_save);
      else request_stop(StopCause::request, "ckpt stop by " + request.from);
    }
  }
  if (now >= disk_->next_newest_check) {
    const bool first = disk_->next_newest_check == 0;
    disk_->next_newest_check = now + newest_check_seconds;
    if (!first && !disk_->blocks.is_newest(disk_->block()))
      fail_for_good(Error(CKPT_ERR_SUPERSEDED, 0,
                          fmt::format("a newer block of the run {} has started: block {} stops", options_.directory,
                                      disk_->block())));
  }
}

void Run::request_stop(StopCause cause, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_reason_.empty() || (stop_only_for_time_ && cause == StopCause::request)) stop_reason_ = reason;
    if (cause == StopCause::request) stop_only_for_time_ = false;
  }
  raise(attend_stop);
}

void Run::stop(const char* reason) {
  require_usable();
  if (!inert_) request_stop(StopCause::request, reason);
}

void Run::send_status_when_due(double now) {
  if (disk_->alone() || now < disk_->next_status) return;
  disk_->next_status = now + status_seconds;
  send_status(now);
}

void Run::send_status(double now) {
  staging::Status status = this->status();
  if (!(attention_.load(std::memory_order_relaxed) & attend_first_point)) status.step = step_.load(std::memory_order_relaxed);
  status.stall_seconds = disk_->schedule.total_stall_seconds();
  status.seconds_between_points = disk_->schedule.measured_between_points();
  if (const double stop = disk_->schedule.stop_time(); std::isfinite(stop)) status.stop_in_seconds = std::max(0.0, stop - now);
  tell_ckptrun(status);
}

staging::Status Run::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Run::tell_ckptrun(const staging::FromProgram& message) {
  const std::lock_guard lock(disk_->station_mutex);
  if (disk_->ownership.station) disk_->ownership.station->send(message);
}

bool Run::stop_due() const noexcept {
  return in_forked_child() || (attention_.load(std::memory_order_relaxed) & (attend_stop | attend_failure)) != 0;
}

double Run::time_left() const noexcept {
  if (inert_ || in_forked_child()) return no_limit;
  if (stop_due()) return 0;
  return std::max(0.0, disk_->schedule.stop_time() - clock_.monotonic_seconds());
}

void Run::progress(double done, double total, const char* unit) {
  require_usable();
  if (!std::isfinite(done) || std::isnan(total)) fail(CKPT_ERR_ARGUMENT, "progress of {} of {} is no number", done, total);
  if (inert_) return;
  staging::Status told;
  {
    const std::lock_guard lock(mutex_);
    status_.done = done;
    status_.total = std::isfinite(total) ? total : 0;
    status_.unit = *unit ? unit : "step";
    if (!disk_->progress_pace.is_worth_a_line(done, clock_.monotonic_seconds())) return;
    told = status_;
  }
  disk_->ledger.append("progress", {{"done", told.done}, {"total", told.total}, {"unit", told.unit}});
}

}  // namespace ckpt::engine
