// SPDX-License-Identifier: Apache-2.0
#include "engine/schedule.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ckpt::engine {

Schedule::Schedule(SavePolicy policy, double opened) : policy_(policy), opened_(opened) {}

void Schedule::set_end(double end, double deadline) {
  const std::lock_guard lock(mutex_);
  deadline_ = std::min(end, deadline);
}

void Schedule::learn_from_ledger(const std::vector<nlohmann::json>& events) {
  const std::lock_guard lock(mutex_);
  const auto add = [](Observations& observations, const nlohmann::json& event, const char* key) {
    const auto value = event.find(key);
    if (value != event.end() && value->is_number() && value->get<double>() > 0) observations.add(value->get<double>());
  };
  for (const auto& event : events) {
    add(earlier_.between_points, event, "seconds_between_points");
    const auto name = event.find("event");
    if (name == event.end() || *name != "durable") continue;
    add(earlier_.stage, event, "stall_seconds");
    add(earlier_.drain, event, "drain_seconds");
    add(earlier_.publish, event, "publish_seconds");
  }
}

void Schedule::add_interval(double seconds) {
  const std::lock_guard lock(mutex_);
  measured_.between_points.add(seconds);
}

void Schedule::add_stage(double seconds) {
  const std::lock_guard lock(mutex_);
  measured_.stage.add(seconds);
  total_stall_ += seconds;
}

void Schedule::add_drain(double drain_seconds, double publish_seconds) {
  const std::lock_guard lock(mutex_);
  measured_.drain.add(drain_seconds);
  measured_.publish.add(publish_seconds);
}

void Schedule::saved_at(double now) {
  const std::lock_guard lock(mutex_);
  last_save_ = now;
}

Costs Schedule::costs() const {
  const std::lock_guard lock(mutex_);
  return estimate_costs(measured_, earlier_);
}

double Schedule::measured_between_points() const {
  const std::lock_guard lock(mutex_);
  const auto here = measured_.between_points.measured();
  return here ? *here : earlier_.between_points.measured().value_or(0);
}

double Schedule::deadline() const {
  const std::lock_guard lock(mutex_);
  return deadline_;
}

double Schedule::stop_time() const {
  const Costs estimated = costs();
  const std::lock_guard lock(mutex_);
  return deadline_ - estimated.lead();
}

double Schedule::total_stall_seconds() const {
  const std::lock_guard lock(mutex_);
  return total_stall_;
}

Schedule::Due Schedule::due(double now) const {
  const Costs estimated = costs();
  const double stop = stop_time();
  const std::lock_guard lock(mutex_);
  const double next_save = last_save_ ? *last_save_ + save_interval(policy_, estimated) : opened_ + first_save_after(policy_);
  Due due;
  due.stop = now >= stop;
  // The save of the stop is near enough: one more now would only be in its way.
  const bool stop_saves_soon = now + estimated.lead() >= stop;
  due.save = !due.stop && now >= next_save && !stop_saves_soon;
  due.next_event = due.stop ? no_limit : due.save ? stop : std::min(stop, std::max(next_save, now));
  return due;
}

}  // namespace ckpt::engine
