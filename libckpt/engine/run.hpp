// SPDX-License-Identifier: Apache-2.0
// A run as its program sees it: point -> due? -> stage -> hand over -> drain -> publish -> prune.
//
// Three threads meet here: the program's (everything unless said otherwise), the watcher (station, signals, requests,
// policy: raises attention), the drain (writes). What they share is atomic or behind mutex_.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "engine/ownership.hpp"
#include "engine/options.hpp"
#include "engine/restore.hpp"
#include "engine/schedule.hpp"
#include "engine/signals.hpp"
#include "engine/state.hpp"
#include "rundir/ledger.hpp"
#include "staging/area.hpp"
#include "snapshot/values.hpp"
#include "staging/drain.hpp"

namespace ckpt::engine {

// Incremented in every forked child; a handle from before the fork is not usable in it.
extern std::atomic<std::uint32_t> fork_generation;

class Run {
 public:
  // All from options; never returns a half-open run. Failures are printed once.
  static std::unique_ptr<Run> open(const ConfigMap& config);
  ~Run();

  const char* directory() const noexcept { return inert_ ? nullptr : options_.directory.c_str(); }
  std::uint64_t block() const noexcept;                           // 0: inert
  void add(const char* name, const ckpt_array* array);
  void add_packed(const char* name, ckpt_pack pack, ckpt_unpack unpack, void* user);
  void update(const char* name, const ckpt_array* array);
  void remove(const char* name);
  void set_value(const char* key, const char* json);
  std::string value(const char* key) const;                       // CKPT_ERR_NOT_FOUND
  using Prepare = std::function<bool(snapshot::Reader*)>;         // false: failed; nullptr: a save
  void on_prepare(Prepare prepare);
  ckpt_status find(const char* name, ckpt_array& out);            // CKPT_OK or CKPT_FRESH
  ckpt_status restore(std::uint64_t& step);                       // CKPT_OK or CKPT_FRESH

  ckpt_verdict point(std::uint64_t step) noexcept {
    const std::uint64_t previous = step_.load(std::memory_order_relaxed);
    const std::uint32_t attention = attention_.load(std::memory_order_relaxed);
    const bool in_child = fork_generation.load(std::memory_order_relaxed) != generation_;
    if (attention != 0 || step < previous || in_child) [[unlikely]] return attend(step);
    step_.store(step, std::memory_order_relaxed);
    return CKPT_GO;
  }
  void save(std::uint64_t step);
  void wait(double seconds);                                      // any thread
  bool stop_due() const noexcept;                                 // any thread
  double time_left() const noexcept;                              // any thread
  void stop(const char* reason);                                  // any thread
  void leave();
  void progress(double done, double total, const char* unit);     // any thread
  void keep(std::uint64_t step, const char* name);
  void finish(std::uint64_t step);
  void finish_at_exit(std::uint64_t step);
  bool ends_with_process() const noexcept { return finish_at_exit_.has_value(); }
  std::optional<Error> last_error() const;
  int close() noexcept;                                           // then destroy it
  void close_at_exit(int status) noexcept;                        // the same, where ends_with_process()

  bool in_forked_child() const noexcept { return fork_generation.load(std::memory_order_relaxed) != generation_; }

 private:
  struct OnDisk;   // everything an inert run does not have: directory, blocks, catalog, drain, ledger

  enum Attention : std::uint32_t {
    attend_first_point = 1,   // was restore() forgotten?
    attend_measure = 2,       // take the time from this point to the next
    attend_save = 4,
    attend_stop = 8,
    attend_failure = 16,      // the sticky one
    attend_count = 64,        // steps are counted: a save or a stop is wanted after some
    attend_announce = 32,     // tell ckptrun at once that a step was made: a crash before it is not tried again
  };

  Run(Options options, Clock& clock);
  void open_directory();

  ckpt_verdict attend(std::uint64_t step) noexcept;
  ckpt_verdict attend_to(std::uint64_t step);
  void check_step(std::uint64_t step);
  void announce(std::uint64_t step);
  void count_step(std::uint64_t step);
  void measure_interval(std::uint32_t attention);
  void save_if_idle(std::uint64_t step);
  bool has_nothing_to_lose(std::uint64_t step) const;
  void stop_at(std::uint64_t step);
  void record_stop(std::uint64_t step);
  void stage(std::uint64_t step);
  void prepare(snapshot::Reader* reader);
  bool prepare_area(std::uint64_t needed_bytes);
  bool is_saved(std::uint64_t step) const;
  bool is_durable(std::uint64_t step) const;
  int exit_code();
  void save_last(std::uint64_t step);
  void complete(std::uint64_t step);
  void record_end(rundir::Outcome outcome, std::optional<std::uint64_t> step, const std::string& reason);

  template <class Work>
  auto sticky(Work&& work);          // a failure stays: printed once, point stops, close returns 1
  void fail_for_good(const Error& error) noexcept;
  void require_usable() const;       // CKPT_ERR_FORKED, or the sticky failure again

  // Drain's thread.
  void after_drain(const staging::Durable* durable, const Error* error);

  // Watcher's thread.
  void watch() noexcept;
  double watch_once(double now);     // when to look again at the latest
  void hear_station(double now);
  void act_on(const staging::FromCkptrun& message, double now);
  void look_around(double now);      // signals, requests, newer blocks
  void send_status_when_due(double now);
  void send_status(double now);      // any thread
  staging::Status status() const;    // any thread
  enum class StopCause { time, request };
  void request_stop(StopCause cause, const std::string& reason);
  void tell_ckptrun(const staging::FromProgram& message);   // any thread
  void raise(std::uint32_t attention) noexcept { attention_.fetch_or(attention, std::memory_order_release); }
  void lower(std::uint32_t attention) noexcept { attention_.fetch_and(~attention, std::memory_order_release); }

  // Alone on their cache line: all that a point touches when nothing is due.
  alignas(64) std::atomic<std::uint32_t> attention_{attend_first_point | attend_announce};
  std::uint32_t generation_;
  std::atomic<std::uint64_t> step_{0};

  // The program's thread.
  alignas(64) Options options_;
  Clock& clock_;
  const bool inert_;
  State state_;
  snapshot::Values values_;
  Prepare prepare_;
  std::unique_ptr<OnDisk> disk_;
  std::optional<std::uint64_t> saved_step_;       // staged last, or restored
  std::optional<std::uint64_t> restored_step_;
  std::optional<std::uint64_t> counted_step_;
  std::uint64_t steps_made_ = 0;                  // by this program, where they are counted
  std::optional<double> interval_start_;          // set while the time to the next point is taken
  std::optional<std::uint64_t> stopped_step_;
  bool noted_first_point_ = false;
  bool finished_ = false;
  std::optional<std::uint64_t> finish_at_exit_;   // the last step, where the exit status decides
  std::string finish_failure_;                    // why the work is not complete although its last step was made, or empty
  bool said_area_does_not_fit_ = false;

  // Any thread, under mutex_.
  mutable std::mutex mutex_;
  std::optional<Error> failure_;
  std::string stop_reason_;
  bool stop_only_for_time_ = true;
  staging::Status status_;
};

}  // namespace ckpt::engine
