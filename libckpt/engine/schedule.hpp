// SPDX-License-Identifier: Apache-2.0
// The policy with a memory: what was measured, when was saved last, when this block ends. Times are monotonic seconds.
// Thread-safe: the program's thread and the drain add measurements, the watcher asks what is due.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "engine/policy.hpp"

namespace ckpt::engine {

class Schedule {
 public:
  Schedule(SavePolicy policy, double opened);

  void set_end(double end, double deadline);
  // What earlier blocks' ledgers taught; used as long as this block has measured nothing itself.
  void learn_from_ledger(const std::vector<nlohmann::json>& events);

  void add_interval(double seconds);
  void add_stage(double seconds);
  void add_drain(double drain_seconds, double publish_seconds);
  void saved_at(double now);                       // a save was staged

  struct Due {
    bool save = false;
    bool stop = false;
    double next_event = no_limit;                  // when to ask again at the latest
  };
  Due due(double now) const;
  double deadline() const;                         // no_limit without an end
  double stop_time() const;                        // no_limit without an end
  Costs costs() const;
  double measured_between_points() const;          // 0 where nothing was
  double total_stall_seconds() const;

 private:
  mutable std::mutex mutex_;
  SavePolicy policy_;
  double opened_;
  double deadline_ = no_limit;
  std::optional<double> last_save_;
  double total_stall_ = 0;
  Measurements measured_, earlier_;
};

}  // namespace ckpt::engine
