// SPDX-License-Identifier: Apache-2.0
// How a run begins and how it ends.
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

constexpr int ledgers_to_learn_from = 3;

void watch_for_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    fork_generation.fetch_add(1);
    SignalRequests::leave_to_child();   // a worker that ignored SIGTERM would never end
  });
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

Run::OnDisk::OnDisk(io::FileSystem& file_system, rundir::Layout layout_, rundir::Permissions permissions_,
                    Ownership ownership_, const Options& options, Clock& clock)
    : fs(file_system), layout(std::move(layout_)), permissions(permissions_), blocks(fs, layout, permissions),
      catalog(fs, layout, permissions), ownership(std::move(ownership_)),
      threads(options.threads ? options.threads : usable_threads()),
      ledger(fs, layout.program_ledger(ownership.block, ::getpid()), permissions.file),
      restorer(fs, clock, blocks, catalog, ownership.block, threads),
      schedule(policy_from(options), clock.monotonic_seconds()),
      progress_pace(clock.monotonic_seconds()), signals(options.handle_signals),
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

namespace {

void refuse_ranks(const std::string& directory) try {
  if (const auto ranks = world_size(); ranks > 1)
    fail(CKPT_ERR_RANKS, "launched with {} ranks, which this version does not support; nothing was touched", ranks);
} catch (const Error& error) {
  tell_refusal(directory, error.what());
  throw;
}

}  // namespace

std::unique_ptr<Run> Run::open(const ConfigMap& config) try {
  watch_for_forks();
  std::unique_ptr<Run> run(new Run(options_from(config), system_clock()));
  if (run->inert_) {
    log_info("no run directory is set: nothing is saved. Start the program with ckptrun, or set CKPT_RUN_DIR");
    return run;
  }
  refuse_ranks(run->options_.directory);
  const std::string directory = rundir::Layout(run->options_.directory).directory();
  run->options_.directory = directory;
  if (!OpenDirectories::enter(directory))
    fail(CKPT_ERR_IN_USE, "the run {} is already open in this program; close that one first, or use it", directory);
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
  if (const std::string given = read_run_environment().overrides; !given.empty())
    fail(CKPT_ERR_CONFIG, "ckptrun --override says {}, which this program does not take: libckpt's Python package does", given);
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
  if (options_.save_after_steps || options_.stop_after_steps) raise(attend_count);
  disk_->drain->on_result([this](const staging::Durable* durable, const Error* error) { after_drain(durable, error); });
  disk_->watcher = std::thread([this] { watch(); });
}

Run::~Run() = default;

std::uint64_t Run::block() const noexcept { return disk_ ? disk_->block() : 0; }

void Run::finish(std::uint64_t step) {
  require_usable();
  if (inert_) return;
  save_last(step);
  complete(step);
}

void Run::finish_at_exit(std::uint64_t step) {
  require_usable();
  if (inert_) return;
  save_last(step);
  finish_at_exit_ = step;
  tell_ckptrun(staging::OutcomeNotice{staging::ProgramOutcome::finished, step, ""});   // the last word of one that crashes now
}

void Run::close_at_exit(int status) noexcept {
  if (in_forked_child()) return;
  try {
    if (status == 0) complete(*finish_at_exit_);
    else finish_failure_ = "the program failed after its last step, so its work is not complete";
    if (finished_) log_info("complete at step {}", *finish_at_exit_);
  } catch (const std::exception& error) {
    log_error("ending the run {}: {}", options_.directory, error.what());
  }
  close();
}

void Run::save_last(std::uint64_t step) {
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
}

void Run::complete(std::uint64_t step) {
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
  else if (!stopped_step_) reason = "the program closed the run without saying that its work is complete";
  else if (const auto error = disk_->drain->last_error()) reason = fmt::format("stopped, but not saved: {}", error->what());
  else reason = fmt::format("stopped ({}), but the last step is not durable", reason);
  tell_ckptrun(staging::OutcomeNotice{staging::ProgramOutcome::failed, std::nullopt, reason});
  // Under ckptrun the end is its to record: it knows how the process ended.
  if (disk_->alone()) record_end(rundir::Outcome::crashed, saved_step_, reason);
  return failed;
}

}  // namespace ckpt::engine
