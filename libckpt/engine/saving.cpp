// SPDX-License-Identifier: Apache-2.0
// From the registered arrays to a snapshot that is handed over, and what is known of it afterwards.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/quantity.hpp"
#include "engine/on_disk.hpp"

namespace ckpt::engine {

bool Run::prepare_area(std::uint64_t needed_bytes) {
  if (inert_) return false;
  auto& area = disk_->area;
  if (needed_bytes <= area.bytes().size()) return true;
  const std::uint64_t held = area.bytes().size();
  const std::uint64_t limit = options_.staging_bytes ? *options_.staging_bytes : (staging::memory_still_allowed() + held) / 2;
  if (needed_bytes <= limit) {
    // State that has grown once grows again: some room saves touching new pages at every save.
    area.reserve(held ? std::min(limit, needed_bytes + needed_bytes / 8) : needed_bytes);
    area.prefault_in_background();
    return true;
  }
  area.release();
  if (!said_area_does_not_fit_)
    log_warning("the state ({}) does not fit the staging area ({} allowed): the program waits while a snapshot is "
                "written; ask for more memory or set CKPT_STAGING_SIZE", format_size(needed_bytes), format_size(limit));
  said_area_does_not_fit_ = true;
  return false;
}

void Run::stage(std::uint64_t step) {
  auto& drain = *disk_->drain;
  const double asked = clock_.monotonic_seconds();
  if (drain.busy()) {
    if (!options_.wait_for_previous)
      fail(CKPT_ERR_BUSY, "step {} was not saved: the previous snapshot is still being written", step);
    drain.wait_idle(no_limit);
  }
  const double start = clock_.monotonic_seconds();
  prepare(nullptr);
  const bool staged = prepare_area(state_.measure());
  staging::Staged work;
  work.arrays = staged ? state_.copy_to(disk_->area.bytes()) : state_.direct_sources();
  work.header = {.step = step, .block = disk_->block(), .run = disk_->layout.name(),
                 .created = format_time(clock_.wall_seconds()), .writer = std::string("libckpt ") + CKPT_VERSION,
                 .meta = snapshot::meta_of(values_)};
  std::uint64_t state_bytes = 0;
  for (const auto& source : work.arrays) state_bytes += source.info.size_bytes();
  double stall = clock_.monotonic_seconds() - start;
  work.wait_seconds = start - asked;
  work.stage_seconds = stall;
  drain.hand_over(std::move(work));
  saved_step_ = step;
  if (!staged) {
    drain.wait_idle(no_limit);
    stall = clock_.monotonic_seconds() - start;
  }
  disk_->schedule.add_stage(stall);
  disk_->schedule.saved_at(clock_.monotonic_seconds());
  nlohmann::json event = {{"step", step}, {"stall_seconds", stall}, {"wait_seconds", start - asked},
                          {"state_bytes", state_bytes}, {"direct", !staged},
                          {"seconds_between_points", disk_->schedule.measured_between_points()}};
  if (const staging::Status told = status(); !told.unit.empty()) event["done"] = told.done;   // what this snapshot holds
  disk_->ledger.append("staged", event);
  if (!staged)
    if (const auto error = drain.last_error()) throw *error;
}

// An error of the drain is about the snapshot staged last, once it is idle; while it is busy, about one before.
bool Run::is_saved(std::uint64_t step) const {
  return saved_step_ == step && (disk_->drain->busy() || !disk_->drain->last_error());
}

bool Run::is_durable(std::uint64_t step) const {
  const auto durable = disk_->drain->last_durable();
  if (durable) return durable->id.step == step;
  return restored_step_ == step && saved_step_ == step;
}

void Run::save(std::uint64_t step) {
  require_usable();
  if (inert_) return;
  try {
    check_step(step);
  } catch (const Error& error) {
    fail_for_good(error);
    throw;
  }
  if (!is_saved(step)) stage(step);
}

void Run::wait(double seconds) {
  require_usable();
  if (inert_) return;
  if (std::isnan(seconds)) fail(CKPT_ERR_ARGUMENT, "the time to wait is not a number");
  if (!disk_->drain->wait_idle(std::max(seconds, 0.0)))
    fail(CKPT_ERR_TIMEOUT, "the snapshot was not durable after {}", format_duration(seconds));
  if (const auto error = disk_->drain->last_error()) throw *error;
}

void Run::keep(std::uint64_t step, const char* name) {
  require_usable();
  if (inert_) return;
  for (const auto& entry : disk_->catalog.list())
    if (entry.id.step == step) return disk_->catalog.keep(entry.id, name);
  fail(CKPT_ERR_NOT_FOUND, "no durable snapshot of step {} to keep as '{}'; save it and call ckpt_wait first", step, name);
}

std::optional<Error> Run::last_error() const {
  require_usable();
  return inert_ ? std::nullopt : disk_->drain->last_error();
}

void Run::after_drain(const staging::Durable* durable, const Error* error) {
  {
    const std::lock_guard lock(mutex_);
    status_.save_error = error ? error->what() : "";
  }
  if (error && error->status() == CKPT_ERR_SUPERSEDED) return fail_for_good(*error);
  if (!durable) return;
  disk_->schedule.add_drain(durable->drain_seconds, durable->publish_seconds);
  log_debug("step {} is durable: {} as {} in {}", durable->id.step, format_size(durable->written.state_bytes),
            format_size(durable->written.file_bytes), format_duration(durable->drain_seconds + durable->publish_seconds));
  tell_ckptrun(staging::DurableNotice{.step = durable->id.step, .file_bytes = durable->written.file_bytes,
                                      .state_bytes = durable->written.state_bytes,
                                      .stall_seconds = disk_->schedule.total_stall_seconds(),
                                      .drain_seconds = durable->drain_seconds});
}

}  // namespace ckpt::engine
