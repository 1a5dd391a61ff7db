// SPDX-License-Identifier: Apache-2.0
// What a program registers, how it gets its state back, and the safe point.
#include "engine/run.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "engine/on_disk.hpp"
#include "snapshot/values.hpp"

namespace ckpt::engine {

// ---- Failures that stay ------------------------------------------------------------------------------------------------

void Run::fail_for_good(const Error& error) noexcept try {
  const std::lock_guard lock(mutex_);
  if (!failure_) {
    log_error("{}", error.what());
    failure_ = error;
  }
  raise(attend_failure);
} catch (...) {
  raise(attend_failure);   // no memory for the text: the verdict matters
}

template <class Work>
auto Run::sticky(Work&& work) {
  try {
    require_usable();
    return work();
  } catch (const Error& error) {
    if (error.status() != CKPT_ERR_FORKED) fail_for_good(error);
    throw;
  } catch (const std::bad_alloc&) {
    fail_for_good(Error(CKPT_ERR_MEMORY, 0, "out of memory"));
    throw;
  }
}

void Run::require_usable() const {
  if (in_forked_child())
    fail(CKPT_ERR_FORKED, "this process was forked from the one that opened the run; only that one may use it");
  const std::lock_guard lock(mutex_);
  if (failure_) throw *failure_;
}

// ---- What is registered --------------------------------------------------------------------------------------------------

namespace {

template <class Pointer>
void require_argument(Pointer pointer, const char* what) {
  if (!pointer) fail(CKPT_ERR_ARGUMENT, "{} is NULL", what);
}

}  // namespace

// Checked here and not at the ABI's door: a NULL is as sticky as any other failed registration.
void Run::add(const char* name, const ckpt_array* array) {
  sticky([&] {
    require_argument(name, "the name");
    require_argument(array, "the array");
    state_.add(name, *array);
  });
}
void Run::add_packed(const char* name, ckpt_pack pack, ckpt_unpack unpack, void* user) {
  sticky([&] {
    require_argument(name, "the name");
    require_argument(pack, "the pack function");
    require_argument(unpack, "the unpack function");
    state_.add_packed(name, pack, unpack, user);
  });
}
void Run::update(const char* name, const ckpt_array* array) {
  sticky([&] {
    require_argument(name, "the name");
    require_argument(array, "the array");
    state_.update(name, *array);
  });
}
void Run::remove(const char* name) {
  require_usable();
  state_.remove(name);
}

void Run::set_value(const char* key, const char* json) {
  require_usable();
  const std::string_view text = key;
  if (text.empty() || text.size() > 255) fail(CKPT_ERR_NAME, "a key has 1 to 255 bytes; this one has {}", text.size());
  if (!nlohmann::json::accept(json)) fail(CKPT_ERR_ARGUMENT, "the value of '{}' is not JSON: {}", key, json);
  const snapshot::Nest nest = snapshot::nest_of(json);
  if (nest.containers > snapshot::most_containers)
    fail(CKPT_ERR_ARGUMENT, "the value of '{}' has {} arrays and objects, at most {} are possible: put what is many into an array", key,
         nest.containers, snapshot::most_containers);
  if (nest.depth > snapshot::deepest_value)
    fail(CKPT_ERR_ARGUMENT, "the value of '{}' is nested more than {} deep", key, snapshot::deepest_value);
  values_[key] = json;
}

std::string Run::value(const char* key) const {
  require_usable();
  const auto found = values_.find(key);
  if (found == values_.end()) fail(CKPT_ERR_NOT_FOUND, "no value is set under '{}'", key);
  return found->second;
}

void Run::on_prepare(Prepare prepare) {
  require_usable();
  prepare_ = std::move(prepare);
}

void Run::prepare(snapshot::Reader* reader) {
  if (!prepare_ || prepare_(reader)) return;
  fail(CKPT_ERR_CALLBACK, "the prepare function of the program failed, so {}", reader
       ? fmt::format("{} was not restored", reader->path()) : std::string("nothing was saved"));
}

// ---- Restoring -------------------------------------------------------------------------------------------------------------

ckpt_status Run::find(const char* name, ckpt_array& out) {
  if (inert_) return CKPT_FRESH;
  const snapshot::Reader* reader = sticky([&] { return disk_->restorer.newest(); });
  if (!reader) return CKPT_FRESH;
  const auto& arrays = reader->arrays();
  const auto found = std::lower_bound(arrays.begin(), arrays.end(), std::string_view(name),
                                      [](const snapshot::ArrayInfo& a, std::string_view b) { return a.name < b; });
  if (found == arrays.end() || found->name != name) fail(CKPT_ERR_NOT_FOUND, "{} holds no '{}'", reader->path(), name);
  out = {};
  out.dtype = found->dtype;
  out.ndim = static_cast<std::int32_t>(found->shape.size());
  std::copy(found->shape.begin(), found->shape.end(), out.shape);
  return CKPT_OK;
}

ckpt_status Run::restore(std::uint64_t& step) {
  step = 0;
  if (inert_) return CKPT_FRESH;
  return sticky([&] {
    disk_->drain->wait_idle(no_limit);   // what was saved before this call comes first, and still reads from the area
    prepare_area(state_.measure());      // its pages are touched while the disk is read
    const double start = clock_.monotonic_seconds();
    const auto restored = disk_->restorer.restore(state_, [&](snapshot::Reader& reader) {
      if (!prepare_) return;
      prepare(&reader);
      prepare_area(state_.measure());
    });
    lower(attend_first_point);
    if (!restored) {
      disk_->ledger.append("fresh", nlohmann::json::object());
      return CKPT_FRESH;
    }
    for (auto& [key, text] : snapshot::values_of(restored->meta)) values_[key] = std::move(text);
    disk_->drain->set_resumed_from(restored->id);
    saved_step_ = restored_step_ = step = restored->id.step;
    step_.store(step, std::memory_order_relaxed);
    disk_->ledger.append("restored", {{"step", step}, {"block", restored->id.block}, {"path", restored->path},
                                      {"seconds", clock_.monotonic_seconds() - start}, {"damaged", restored->damaged}});
    log_debug("restored step {} from {}", step, restored->path);
    return CKPT_OK;
  });
}

// ---- The safe point ----------------------------------------------------------------------------------------------------------

ckpt_verdict Run::attend(std::uint64_t step) noexcept {
  if (in_forked_child() || (attention_.load(std::memory_order_relaxed) & attend_failure)) return CKPT_STOP;
  if (inert_) {
    attention_.store(0, std::memory_order_relaxed);
    step_.store(step, std::memory_order_relaxed);
    return CKPT_GO;
  }
  try {
    return attend_to(step);
  } catch (const Error& error) {
    fail_for_good(error);
  } catch (const std::exception& error) {
    fail_for_good(Error(CKPT_ERR_INTERNAL, 0, error.what()));
  }
  return CKPT_STOP;
}

ckpt_verdict Run::attend_to(std::uint64_t step) {
  check_step(step);
  if (attention_.load(std::memory_order_relaxed) & attend_count) count_step(step);
  const std::uint32_t attention = attention_.load(std::memory_order_acquire);
  if (attention & attend_announce) announce(step);
  measure_interval(attention);
  if ((attention & attend_stop) && !has_nothing_to_lose(step)) {
    stop_at(step);
    return CKPT_STOP;
  }
  if (attention & attend_save) save_if_idle(step);
  if (attention & attend_measure) interval_start_ = clock_.monotonic_seconds();
  return CKPT_GO;
}

void Run::check_step(std::uint64_t step) {
  const std::uint64_t previous = step_.load(std::memory_order_relaxed);
  if (step < previous)
    fail(CKPT_ERR_STEP, "step {} after step {}: steps never decrease; is the step that ckpt_restore gave used?", step, previous);
  if (attention_.load(std::memory_order_relaxed) & attend_first_point) {
    if (disk_->catalog.ever_had_snapshots() || !disk_->catalog.list().empty())
      fail(CKPT_ERR_NOT_RESTORED, "the run {} has snapshots and ckpt_restore was not called: call it before the first "
           "point, or start a new run", options_.directory);
    lower(attend_first_point);
  }
  step_.store(step, std::memory_order_relaxed);
}

void Run::announce(std::uint64_t step) {
  if (!noted_first_point_) disk_->ledger.append("first_point", {{"step", step}});
  noted_first_point_ = true;
  if (step == restored_step_.value_or(0)) return;
  lower(attend_announce);
  if (!disk_->alone()) send_status(clock_.monotonic_seconds());
}

// What is wanted after some steps is asked for as it would be by a person, but at that very point.
void Run::count_step(std::uint64_t step) {
  if (step == counted_step_.value_or(restored_step_.value_or(0))) return;
  counted_step_ = step;
  ++steps_made_;
  if (steps_made_ == options_.save_after_steps) {
    disk_->drain->wait_idle(no_limit);
    raise(attend_save);
  }
  if (steps_made_ == options_.stop_after_steps)
    request_stop(StopCause::request, fmt::format("stop_after_steps is {}", steps_made_));
}

// A point slower than the watcher's tick is measured every time, a fast one is sampled.
void Run::measure_interval(std::uint32_t attention) {
  if (!interval_start_) return;
  const double seconds = clock_.monotonic_seconds() - *interval_start_;
  disk_->schedule.add_interval(seconds);
  interval_start_.reset();
  if ((attention & attend_measure) && seconds < disk_->tick_seconds) lower(attend_measure);
}

void Run::save_if_idle(std::uint64_t step) {
  if (disk_->drain->busy()) return;   // attention stays raised: at the first point after the drain has ended
  try {
    if (!is_saved(step)) stage(step);
  } catch (const std::exception& error) {
    log_warning("step {} was not saved: {}; the older snapshot stands", step, error.what());
    disk_->schedule.saved_at(clock_.monotonic_seconds());   // not again at every point
  }
  lower(attend_save);   // last: the watcher finds a save due until this one is staged, and would ask for a second
}

// At the step just restored a stop gains nothing: the next step may not fit before the deadline, but only trying can make
// progress. Before the first point of a block its time is estimated from earlier blocks, which may have been unlucky.
bool Run::has_nothing_to_lose(std::uint64_t step) const {
  if (restored_step_ != step || saved_step_ != step) return false;
  if (clock_.monotonic_seconds() >= disk_->schedule.deadline()) return false;
  const std::lock_guard lock(mutex_);
  return stop_only_for_time_;
}

void Run::stop_at(std::uint64_t step) {
  if (!is_saved(step)) {
    try {
      options_.wait_for_previous = true;
      stage(step);
    } catch (const std::exception& error) {
      log_warning("step {} was not saved: {}; the older snapshot stands", step, error.what());
    }
  }
  if (!stopped_step_) record_stop(step);
}

void Run::leave() {
  require_usable();
  if (inert_) return;
  disk_->drain->wait_idle(no_limit);
  const auto durable = disk_->drain->last_durable();
  const auto step = durable ? std::optional(durable->id.step) : restored_step_;
  if (!step) fail(CKPT_ERR_NOT_FOUND, "the run {} has no snapshot to stop at; go on to the next safe point", options_.directory);
  saved_step_ = step;
  record_stop(*step);
}

void Run::record_stop(std::uint64_t step) {
  std::string reason;
  {
    const std::lock_guard lock(mutex_);
    reason = stop_reason_;
  }
  log_info("stopping at step {}: {}", step, reason);
  disk_->ledger.append("stop", {{"step", step}, {"reason", reason}});
  stopped_step_ = step;
}

}  // namespace ckpt::engine
