// SPDX-License-Identifier: Apache-2.0
#include "engine/run.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/environment.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/quantity.hpp"
#include "engine/on_disk.hpp"

namespace ckpt::engine {

std::atomic<std::uint32_t> fork_generation{0};

namespace {

constexpr unsigned most_threads = 4;      // beyond, the disk is the limit and the program wants its cores
constexpr int ledgers_to_learn_from = 3;

void watch_for_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  static_cast<void>(registered);
}

// One directory twice in one process would be two owners that the claim cannot tell apart.
class OpenDirectories {
 public:
  static bool enter(const std::string& directory) {
    const std::lock_guard lock(mutex());
    return names().insert(directory).second;
  }
  static void leave(const std::string& directory) {
    const std::lock_guard lock(mutex());
    names().erase(directory);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::set<std::string>& names() {
    static std::set<std::string> instance;
    return instance;
  }
};

Options options_from(const ConfigMap& config) {
  Options options = read_environment_options();
  apply(config, options);
  return options;
}

void ensure_run_record(io::FileSystem& fs, const rundir::Layout& layout, rundir::Permissions permissions) {
  if (rundir::read_run_record(fs, layout)) return;
  rundir::RunRecord record;
  record.name = layout.name();
  record.user = identify_self().user;
  record.created = format_time(system_clock().wall_seconds());
  rundir::write_run_record(fs, layout, record, permissions);
}

SavePolicy policy_from(const Options& options) {
  return {options.block_seconds, options.mean_time_between_failures, options.save_interval_seconds};
}

}  // namespace

// ---- Opening ---------------------------------------------------------------------------------------------------------

Run::OnDisk::OnDisk(io::FileSystem& file_system, rundir::Layout layout_, rundir::Permissions permissions_,
                    Ownership ownership_, const Options& options, Clock& clock)
    : fs(file_system), layout(std::move(layout_)), permissions(permissions_), blocks(fs, layout, permissions),
      catalog(fs, layout, permissions), ownership(std::move(ownership_)),
      threads(options.threads ? options.threads : usable_threads(most_threads)),
      ledger(fs, layout.program_ledger(ownership.block, ::getpid()), permissions.file),
      restorer(fs, clock, blocks, catalog, ownership.block, threads),
      schedule(policy_from(options), clock.monotonic_seconds()), signals(options.handle_signals),
      wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_fd < 0) fail_io(errno, "cannot watch over the run {}", layout.directory());
  constexpr double short_block_seconds = 600;
  if (options.block_seconds < short_block_seconds) tick_seconds = 0.05;
  drain.emplace(staging::DrainTarget{.fs = fs, .layout = layout, .permissions = permissions, .blocks = blocks,
                                     .catalog = catalog, .ledger = ledger, .clock = clock, .block = ownership.block,
                                     .keep = static_cast<std::size_t>(options.keep), .resumed_from = std::nullopt,
                                     .threads = threads});
}

void Run::OnDisk::end_threads() {
  closing = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd, &one, sizeof one);
  if (watcher.joinable()) watcher.join();
  drain.reset();
}

Run::OnDisk::~OnDisk() {
  end_threads();
  ::close(wake_fd);
}

Run::Run(Options options, Clock& clock)
    : generation_(fork_generation), options_(std::move(options)), clock_(clock), inert_(options_.directory.empty()) {}

std::unique_ptr<Run> Run::open(const ConfigMap& config) try {
  watch_for_forks();
  std::unique_ptr<Run> run(new Run(options_from(config), system_clock()));
  if (run->inert_) {
    log_info("no run directory is set: nothing is saved. Start the program with ckptrun, or set CKPT_RUN_DIR");
    return run;
  }
  if (const auto ranks = world_size(); ranks > 1)
    fail(CKPT_ERR_RANKS, "launched with {} ranks, which this version does not support; nothing was touched", ranks);
  const std::string directory = rundir::Layout(run->options_.directory).directory();
  run->options_.directory = directory;
  if (!OpenDirectories::enter(directory)) fail(CKPT_ERR_IN_USE, "the run {} is already open in this program", directory);
  try {
    run->open_directory();
  } catch (...) {
    OpenDirectories::leave(directory);
    throw;
  }
  if (run->disk_) return run;
  OpenDirectories::leave(directory);
  return std::unique_ptr<Run>(new Run(Options{}, system_clock()));   // not served: inert
} catch (const std::exception& error) {
  log_error("{}", error.what());
  throw;
}

void Run::open_directory() {
  io::FileSystem& fs = io::file_system();
  const rundir::Layout layout(options_.directory);
  const bool attach = under_ckptrun(options_.directory);
  // ckptrun has prepared the directory, by the rules its user gave it.
  const auto permissions = attach ? rundir::permissions_of(fs, layout)
                                  : rundir::prepare_run_directory(fs, layout, {.allow_volatile = options_.allow_volatile});
  rundir::Blocks blocks(fs, layout, permissions);
  Ownership ownership = attach ? attach_to_ckptrun(options_.directory, blocks) : claim_alone(options_, blocks);
  if (!ownership.served) {
    log_info("ckptrun serves another program of this block ({}): nothing is saved by this one", ownership.welcome.reason);
    return;
  }
  double to_end = options_.block_seconds;
  double to_deadline = to_end - safety_margin(to_end);
  if (attach) {
    apply({ownership.welcome.config.begin(), ownership.welcome.config.end()}, options_);
    options_.block_seconds = ownership.welcome.block_seconds;
    to_end = ownership.welcome.seconds_to_end;
    to_deadline = ownership.welcome.seconds_to_deadline;
  } else {
    ensure_run_record(fs, layout, permissions);
  }
  disk_ = std::make_unique<OnDisk>(fs, layout, permissions, std::move(ownership), options_, clock_);
  const double now = clock_.monotonic_seconds();
  disk_->schedule.set_end(now + to_end, now + to_deadline);
  const std::uint64_t block = disk_->block();
  for (std::uint64_t earlier = block; earlier-- > 1 && block - earlier <= ledgers_to_learn_from;)
    for (const auto& attachment : disk_->blocks.read_attachments(earlier))
      if (attachment.linked)
        disk_->schedule.learn_from_ledger(rundir::read_ledger(fs, layout.program_ledger(earlier, attachment.who.pid)));
  disk_->catalog.remove_temporaries([](const std::string&) { return false; });
  disk_->catalog.touch_marks();
  disk_->ledger.append("opened", {{"block", block}, {"pid", ::getpid()}, {"version", CKPT_VERSION}});
  disk_->drain->on_result([this](const staging::Durable* durable, const Error* error) { after_drain(durable, error); });
  disk_->watcher = std::thread([this] { watch(); });
}

Run::~Run() = default;

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
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (parsed.is_discarded()) fail(CKPT_ERR_ARGUMENT, "the value of '{}' is not JSON: {}", key, json);
  values_[key] = json;
}

std::string Run::value(const char* key) const {
  require_usable();
  const auto found = values_.find(key);
  if (found == values_.end()) fail(CKPT_ERR_NOT_FOUND, "no value is set under '{}'", key);
  return found->second;
}

std::string Run::meta_json() const {
  nlohmann::json values = nlohmann::json::object();
  for (const auto& [key, text] : values_) values[key] = nlohmann::json::parse(text);
  return nlohmann::json{{"values", values}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Run::take_meta(const std::string& json) {
  const auto meta = nlohmann::json::parse(json, nullptr, false);
  if (!meta.is_object() || !meta.contains("values") || !meta["values"].is_object()) return;
  for (const auto& [key, value] : meta["values"].items()) values_[key] = value.dump();
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
    const auto restored = disk_->restorer.restore(state_);
    lower(attend_first_point);
    if (!restored) {
      disk_->ledger.append("fresh", nlohmann::json::object());
      return CKPT_FRESH;
    }
    take_meta(restored->meta);
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
  const std::uint32_t attention = attention_.load(std::memory_order_acquire);
  check_step(step);
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
  if (step == restored_step_.value_or(0)) return;
  lower(attend_announce);
  if (!disk_->alone()) send_status(clock_.monotonic_seconds());
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
  if (stopped_step_) return;
  std::string reason;
  {
    const std::lock_guard lock(mutex_);
    reason = stop_reason_;
  }
  log_info("stopping at step {}: {}", step, reason);
  disk_->ledger.append("stop", {{"step", step}, {"reason", reason}});
  stopped_step_ = step;
}

// ---- Saving --------------------------------------------------------------------------------------------------------------------

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
  const bool staged = prepare_area(state_.measure());
  staging::Staged work;
  work.arrays = staged ? state_.copy_to(disk_->area.bytes()) : state_.direct_sources();
  work.header = {.step = step, .block = disk_->block(), .run = disk_->layout.name(),
                 .created = format_time(clock_.wall_seconds()), .writer = std::string("libckpt ") + CKPT_VERSION,
                 .meta = meta_json()};
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
  disk_->ledger.append("staged", {{"step", step}, {"stall_seconds", stall}, {"wait_seconds", start - asked},
                                  {"state_bytes", state_bytes}, {"direct", !staged},
                                  {"seconds_between_points", disk_->schedule.costs().between_points}});
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

// ---- The end ---------------------------------------------------------------------------------------------------------------------

void Run::finish(std::uint64_t step) {
  require_usable();
  if (inert_) return;
  try {
    save(step);
    disk_->drain->wait_idle(no_limit);
    if (!is_durable(step)) stage(step);   // it was staged before and that drain failed: the state is still this step's
    wait(no_limit);
  } catch (const Error& error) {
    finish_failure_ = fmt::format("the work is done, but its last state, step {}, was not saved: {}", step, error.what());
    log_error("{}; mend that and start the same command again", finish_failure_);
    throw;
  }
  finished_ = true;
  disk_->ledger.append("finished", {{"step", step}});
  record_end(rundir::Outcome::finished, step, "the program said the work is complete");
}

void Run::record_end(rundir::Outcome outcome, std::optional<std::uint64_t> step, const std::string& reason) try {
  rundir::BlockEnd end;
  end.outcome = outcome;
  end.reason = reason;
  end.writer = "program";
  end.writer_pid = ::getpid();
  end.step = step;
  end.ended = clock_.wall_seconds();
  if (!disk_->blocks.write_end(disk_->block(), end))
    log_warning("the end of block {} was already recorded by another; see {}", disk_->block(),
                disk_->layout.block_end(disk_->block()));
} catch (const Error& error) {   // a full disk must not turn finished work into a failure; ckptrun is told as well
  log_warning("the end of block {} was not recorded: {}", disk_->block(), error.what());
}

int Run::close() noexcept {
  if (in_forked_child()) return 1;
  if (inert_) return failure_ ? 1 : 0;
  int code = 1;
  try {
    code = exit_code();
  } catch (const std::exception& error) {
    log_error("closing the run {}: {}", options_.directory, error.what());
  }
  disk_->end_threads();   // they look through disk_, so before it goes
  disk_.reset();
  OpenDirectories::leave(options_.directory);
  return code;
}

int Run::exit_code() {
  constexpr int complete = 0, failed = 1, to_be_continued = 85;
  disk_->drain->wait_idle(no_limit);
  if (const staging::Status last = status(); !last.unit.empty())
    disk_->ledger.append("progress", {{"done", last.done}, {"total", last.total}, {"unit", last.unit}});
  if (!disk_->alone()) send_status(clock_.monotonic_seconds());   // the last word, not that of a second ago
  if (finished_) {
    tell_ckptrun(staging::OutcomeNotice{staging::ProgramOutcome::finished, saved_step_, ""});
    return complete;
  }
  std::optional<Error> failure;
  std::string reason;
  {
    const std::lock_guard lock(mutex_);
    failure = failure_;
    reason = stop_reason_;
  }
  if (!failure && stopped_step_ && is_durable(*stopped_step_)) {
    tell_ckptrun(staging::OutcomeNotice{staging::ProgramOutcome::stopped, stopped_step_, reason});
    record_end(rundir::Outcome::stopped, stopped_step_, reason);
    return to_be_continued;
  }
  if (failure) reason = failure->what();
  else if (!finish_failure_.empty()) reason = finish_failure_;
  else if (!stopped_step_) reason = "the program closed the run without ckpt_finish";
  else if (const auto error = disk_->drain->last_error()) reason = fmt::format("stopped, but not saved: {}", error->what());
  else reason = fmt::format("stopped ({}), but the last step is not durable", reason);
  tell_ckptrun(staging::OutcomeNotice{staging::ProgramOutcome::failed, std::nullopt, reason});
  // Under ckptrun the end is its to record: it knows how the process ended.
  if (disk_->alone()) record_end(rundir::Outcome::crashed, saved_step_, reason);
  return failed;
}

}  // namespace ckpt::engine
