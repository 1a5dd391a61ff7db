// SPDX-License-Identifier: Apache-2.0
#include "block/block.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"
#include "block/crash_cause.hpp"
#include "block/done_when.hpp"
#include "block/launch.hpp"
#include "block/patience.hpp"
#include "block/process_tree.hpp"
#include "block/program_talk.hpp"
#include "block/progress_text.hpp"
#include "block/result_record.hpp"
#include "block/terminal_modes.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

using nlohmann::json;

constexpr double tick_seconds = 1;                  // control/ is looked at, status.json is written
constexpr double newest_check_seconds = 60;
constexpr std::size_t progress_lines_at_once = 20;  // one for each whole unit: short blocks are to teach, too
constexpr double progress_ledger_seconds = 30;      // between those that follow
constexpr double superseded_grace_seconds = 30;
constexpr double tree_grace_seconds = 5, grace_of_stop_seconds = 60;            // between TERM and KILL for what the program left behind
constexpr double kill_grace_seconds = 1;            // the same when there is no time any more

constexpr double longest_wait_for_end_seconds = 10; // after a warning, for the scheduler's answer
constexpr double longest_wait_for_why_seconds = 2;  // after any other signal, to be able to say what it is about
constexpr double ask_before_stop_seconds = 15;      // a limit that was raised meanwhile may make the stop needless
constexpr double shortest_lead_seconds = 10, longest_first_lead_seconds = 120;   // of a stop signal, while nothing is learned
constexpr double first_lead_share = 0.05;
constexpr double lead_after_cut_off = 3;            // times what was too short
constexpr double moved_seconds = 2;                 // schedulers tell whole seconds

std::optional<Progress> progress_in(const std::optional<staging::Status>& status) {
  if (!status || status->unit.empty()) return std::nullopt;
  return Progress{status->done, status->total, status->unit};
}

std::optional<Progress> progress_in(const checkpoints::Candidate& candidate) {
  if (candidate.epoch) return Progress{static_cast<double>(*candidate.epoch), 0, "epoch"};
  if (candidate.step) return Progress{static_cast<double>(*candidate.step), 0, "step"};
  return std::nullopt;
}

class RunningBlock {
 public:
  RunningBlock(const RunAccess& run, rundir::Ledger& ledger, const BlockPlan& plan)
      : run_(run), ledger_(ledger), plan_(plan), started_(now()), own_end_(started_ + plan.block_seconds),
        end_(std::min(own_end_, plan.job_end)), whole_seconds_(end_ - started_),
        deadline_(deadline_of(end_)), talk_([this] { return welcome(); }),
        output_(plan.output, {run.fs, run.layout.block_log(plan.block), run.permissions.file}),
        watch_(plan.own ? std::optional<CheckpointWatch>(std::in_place, run.fs, run.clock, *plan.own) : std::nullopt),
        child_(plan.program_path, plan.command, child_environment(environment()), run.signals,
               [this] { output_.connect_child(); }) {}
  ~RunningBlock();

  BlockResult run();

 private:
  double now() const { return run_.clock.monotonic_seconds(); }
  double deadline_of(double end) const { return end - engine::safety_margin(end - started_); }
  std::vector<std::string> environment() const;
  staging::Welcome welcome() const;

  int start();
  void wait();
  void look();
  bool reap();
  void tick();
  bool superseded() const;
  void take_requests();
  void note_news();
  void follow_end();
  void move_end(double end);
  void act();
  bool clock_decides();
  void note_checkpoint();
  void note_progress(const Progress& progress);
  bool next_checkpoint_fits() const;
  bool waits_for_checkpoint() const;
  double stop_time() const;
  bool may_learn_why() const;
  std::string why_ended() const;
  std::string with_why(const std::string& reason) const;
  bool program_knows() const;
  void request_stop(StopCause cause, const std::string& reason);
  void note_whether_it_handles_the_stop();
  void send_stop_signal();
  void kill_tree(double grace_seconds);
  bool stop_goes_on() const;
  Ending ending() const;
  void finish_output();
  BlockResult finish(int exec_error);
  std::optional<rundir::SnapshotId> resumed_from(const std::vector<rundir::CatalogEntry>& entries) const;
  void blame(BlockResult& result) const;
  Seen seen() const;
  void record(const BlockResult& result);

  const RunAccess& run_;
  rundir::Ledger& ledger_;
  const BlockPlan& plan_;
  const double started_;                            // monotonic seconds, all of them
  double own_end_, end_;                            // without the job around it; with it
  const double whole_seconds_;
  double deadline_;
  Witness witness_;
  ProgramTalk talk_;
  TerminalModes terminal_modes_;                    // given back when everything of this block is gone
  ProgramOutput output_;
  std::optional<CheckpointWatch> watch_;
  Child child_;
  StopCause asked_ = StopCause::nobody;
  bool killed_ = false, killed_at_once_ = false, tree_ended_ = false;
  std::optional<double> signalled_at_;
  std::optional<double> stop_sent_;                 // the signal to the program
  TreeEnd tree_end_ = TreeEnd::ended;               // of what the program has left behind
  bool handles_stop_ = false;                       // that signal, the program, when it was asked to stop
  bool checkpoint_since_asked_ = false;
  bool end_moved_nearer_ = false, warning_said_ = false, asked_before_stop_ = false;
  std::optional<double> first_point_;
  std::optional<Progress> began_, printed_;         // the latter by the program, for people
  std::optional<ProgressText> progress_text_;
  double progress_noted_ = -engine::no_limit;
  std::size_t progress_lines_ = 0;
  double next_tick_ = started_ + tick_seconds, next_newest_check_ = started_ + newest_check_seconds;
  std::uint64_t served_noted_ = 0;
};

// Whatever went wrong here, no process of this block may stay behind and write.
RunningBlock::~RunningBlock() {
  if (!tree_ended_) kill_tree(kill_grace_seconds);
}

std::vector<std::string> RunningBlock::environment() const {
  return environment_of_block(plan_, run_.layout, talk_.address(), run_.clock.wall_seconds() + (deadline_ - now()));
}

staging::Welcome RunningBlock::welcome() const {
  staging::Welcome welcome;
  welcome.block_seconds = whole_seconds_;
  welcome.seconds_to_end = end_ - now();
  welcome.seconds_to_deadline = deadline_ - now();
  welcome.config = plan_.program_config;
  return welcome;
}

BlockResult RunningBlock::run() {
  const int exec_error = start();
  while (!child_.ended()) {
    wait();
    look();
    act();
  }
  return finish(exec_error);
}

int RunningBlock::start() {
  patiently(run_.clock, [this] { run_.blocks.attach(plan_.block, {false, identify_process(child_.pid())}); });
  if (!plan_.progress.empty()) {
    progress_text_.emplace(plan_.progress);
    output_.listen([this](std::span<const std::byte> printed) {
      if (const auto progress = progress_text_->take(printed)) note_progress(*progress);
    });
  }
  const int exec_error = child_.release();
  const json from = plan_.resume ? json{{"step", plan_.resume->step}, {"block", plan_.resume->block}} : json();
  ledger_.append("started", {{"block", plan_.block}, {"command", plan_.command}, {"resume", from},
                             {"block_seconds", std::isfinite(whole_seconds_) ? json(whole_seconds_) : json()},
                             {"prepared_seconds", plan_.prepared_seconds}, {"pid", child_.pid()},
                             {"keeps_own", plan_.own.has_value()},
                             {"own_from", to_json(plan_.own ? plan_.own->resume : std::nullopt)},
                             {"own_in_doubt", plan_.own && plan_.own->resume_in_doubt}});
  run_.status.set("state", "running");
  run_.status.set("reason", nullptr);
  run_.status.set("block", plan_.block);
  run_.status.set("pid", child_.pid());
  run_.status.set_end(end_);
  run_.status.write();
  if (plan_.once_started) plan_.once_started();
  return exec_error;
}

void RunningBlock::wait() {
  std::vector<pollfd> polled = {{run_.signals.fd(), POLLIN, 0}};
  talk_.add_to(polled);
  output_.add_to(polled);
  if (watch_) watch_->add_to(polled);
  double until = std::min(next_tick_, end_);
  if (plan_.job_end_source) {
    plan_.job_end_source->add_to(polled);
    until = std::min(until, plan_.job_end_source->next_look());
  }
  if (asked_ == StopCause::nobody) until = std::min(until, stop_time());
  if (may_learn_why()) until = std::min(until, *signalled_at_ + longest_wait_for_why_seconds);
  const double milliseconds = std::ceil(std::max(0.0, until - now()) * 1000);
  ::poll(polled.data(), polled.size(), static_cast<int>(milliseconds));
}

void RunningBlock::look() {
  run_.signals.take(now());
  if (run_.signals.take_window_change()) output_.follow_window();
  output_.pass_on();
  reap();
  if (talk_.handle()) note_news();
  if (watch_ && watch_->look()) note_checkpoint();
  if (plan_.job_end_source) follow_end();
  if (now() >= next_tick_) tick();
}

// Its questions are children of this process as well.
bool RunningBlock::reap() {
  return child_.reap([this](pid_t pid, int status) {
    if (plan_.job_end_source) plan_.job_end_source->note_exit(pid, status);
  });
}

void RunningBlock::follow_end() {
  if (run_.signals.stop_reason() && !signalled_at_) {
    signalled_at_ = now();
    plan_.job_end_source->ask_soon();
  }
  if (const auto end = plan_.job_end_source->look()) move_end(std::min(own_end_, *end));
}

void RunningBlock::move_end(double end) {
  if (std::abs(end - end_) < moved_seconds) return;
  end_moved_nearer_ = end_moved_nearer_ || end < end_;
  log_info("block {}: its end has moved {}: {} left", plan_.block, with_why(end < end_ ? "nearer" : "away"),
           format_duration(std::max(0.0, end - now())));
  asked_before_stop_ = asked_before_stop_ && end < end_;
  end_ = end;
  deadline_ = deadline_of(end_);
  ledger_.append("end_moved", {{"seconds_to_end", end_ - now()}});
  run_.status.set_end(end_);
  talk_.tell_time({end_ - now(), deadline_ - now()});
}

void RunningBlock::tick() {
  next_tick_ = now() + tick_seconds;
  if (watch_) watch_->tick();
  take_requests();
  run_.status.write_when_due();
  if (now() < next_newest_check_) return;
  next_newest_check_ = now() + newest_check_seconds;
  if (!superseded()) return;
  request_stop(StopCause::superseded, "a newer block of this run has started");
  own_end_ = end_ = std::min(end_, now() + superseded_grace_seconds);
}

bool RunningBlock::superseded() const try {
  return run_.blocks.newest() > plan_.block;   // none at all: the run's directory is gone
} catch (const Error& error) {   // a storage that hiccups is no reason to end a program
  log_warning("block {}: whether it is the newest cannot be seen now: {}", plan_.block, error.what());
  return false;
}

void RunningBlock::take_requests() {
  for (const rundir::Request& request : rundir::take_requests(run_.fs, run_.layout)) {
    const bool stop = request.kind == rundir::RequestKind::stop;
    ledger_.append("request", {{"kind", stop ? "stop" : "save"}, {"from", request.from}});
    log_info("{} asks for a {}", request.from, stop ? "stop" : "save");
    if (stop) request_stop(StopCause::user, "ckpt stop by " + request.from);
    else talk_.request_save();
  }
}

void RunningBlock::note_news() {
  const ProgramNews& news = talk_.news();
  if (news.served_count != served_noted_) ledger_.append("attached", {{"pid", news.served_pid}});
  served_noted_ = news.served_count;
  if (!first_point_ && (news.durable || (news.status && news.status->step.value_or(0) > 0))) first_point_ = now();
  if (!began_) began_ = progress_in(news.status);
  if (plan_.job_end_source && news.status && news.status->stop_in_seconds.value_or(engine::no_limit) < ask_before_stop_seconds &&
      !std::exchange(asked_before_stop_, true))
    plan_.job_end_source->ask_soon();
  run_.status.set_news(news);
}

void RunningBlock::note_checkpoint() {
  const checkpoints::Version& version = *watch_->newest();
  json line = checkpoints::to_json(version);
  line["seconds_since_last"] = watch_->seconds_since_last();
  ledger_.append("checkpoint", line);
  run_.status.set("checkpoint", checkpoints::to_json(version));
  if (version.candidate.step) run_.status.set("step", *version.candidate.step);
  if (!first_point_) first_point_ = now();
  if (const auto progress = progress_in(version.candidate); progress && !progress_text_) note_progress(*progress);
  checkpoint_since_asked_ = asked_ != StopCause::nobody;
  if (plan_.stop_way != StopWay::after_checkpoint || checkpoint_since_asked_ || child_.ended() || next_checkpoint_fits()) return;
  const std::string why = fmt::format("after {}: the next checkpoint (one every {}) would not fit into {}",
                                      checkpoints::describe(version), format_duration(watch_->shortest_interval()),
                                      format_duration(std::max(0.0, deadline_ - now())));
  request_stop(StopCause::deadline, with_why(why));
}

void RunningBlock::note_progress(const Progress& progress) {
  const bool whole_unit = !printed_ || std::floor(progress.done) != std::floor(printed_->done);
  if (!began_) began_ = progress;
  printed_ = progress;
  const json fields = {{"done", progress.done}, {"total", progress.total}, {"unit", progress.unit}};
  run_.status.set("progress", fields);
  if (!whole_unit) return;
  if (progress_lines_ >= progress_lines_at_once && now() - progress_noted_ < progress_ledger_seconds) return;
  ++progress_lines_;
  progress_noted_ = now();
  ledger_.append("progress", fields);
}

bool RunningBlock::next_checkpoint_fits() const { return now() + watch_->shortest_interval() <= deadline_; }

// Whoever asks, what the program has done since its last checkpoint would be lost.
bool RunningBlock::waits_for_checkpoint() const {
  return plan_.stop_way == StopWay::after_checkpoint && !checkpoint_since_asked_ && now() < deadline_ && watch_->interval() &&
         (asked_ == StopCause::job || asked_ == StopCause::user);
}

// A program that saves once it is told needs time for that: as long as it took before.
double RunningBlock::stop_time() const {
  if (plan_.stop_way != StopWay::in_advance || !std::isfinite(deadline_)) return deadline_;
  const double shortest = std::min(shortest_lead_seconds, whole_seconds_ / 4);
  const double unknown = std::clamp(first_lead_share * whole_seconds_, shortest, longest_first_lead_seconds);
  if (!plan_.own) return deadline_ - unknown;
  const double after_cut_off = std::min(lead_after_cut_off * plan_.own->stop_cut_off_seconds, whole_seconds_ / 2);
  return deadline_ - std::max(plan_.own->stops.estimate().value_or(unknown), after_cut_off);
}

void RunningBlock::act() {
  if (child_.ended()) return;
  if (const auto& reason = run_.signals.stop_reason(); reason && !clock_decides() && !may_learn_why())
    request_stop(plan_.is_job ? StopCause::job : StopCause::user, with_why(*reason));
  if (now() >= stop_time()) request_stop(StopCause::deadline, with_why("the block's time is up"));
  if (asked_ != StopCause::nobody && !program_knows() && !waits_for_checkpoint()) send_stop_signal();
  if (now() < end_ && !run_.signals.stop_now()) return;
  killed_ = true;
  killed_at_once_ = run_.signals.stop_now();
  kill_tree(kill_grace_seconds);
}

// A warning inside a job is a reason to ask when the job ends: a preemption has brought that nearer, and otherwise the
// program, or who has seen its checkpoints come, knows better than the one who chose the signal's time how long its last step
// and save take. Where the scheduler does not answer, or the program cannot be told, it is a stop.
bool RunningBlock::clock_decides() {
  const bool is_stopped_in_time = talk_.serving() || plan_.stop_way == StopWay::after_checkpoint;
  if (!plan_.is_job || !run_.signals.only_warned() || !is_stopped_in_time || !std::isfinite(end_)) return false;
  if (!signalled_at_) return true;
  if (plan_.job_end_source->known_as_of() < *signalled_at_) return now() < *signalled_at_ + longest_wait_for_end_seconds;
  if (!std::exchange(warning_said_, true))
    log_info("block {}: {}: the job ends in {}; the program {} in time for that", plan_.block,
             *run_.signals.stop_reason(), format_duration(std::max(0.0, end_ - now())), talk_.serving() ? "stops" : "is stopped");
  return true;
}

// The answer is usually there within milliseconds, and the program goes on meanwhile.
bool RunningBlock::may_learn_why() const {
  return plan_.is_job && signalled_at_ && !run_.signals.stop_now() && !plan_.job_end_source->why_ended() &&
         now() < *signalled_at_ + longest_wait_for_why_seconds;
}

std::string RunningBlock::why_ended() const {
  return plan_.job_end_source ? plan_.job_end_source->why_ended().value_or("") : "";
}

// "SIGTERM to ckptrun (preempted)"
std::string RunningBlock::with_why(const std::string& reason) const {
  const std::string why = why_ended();
  return why.empty() || reason.find(why) != std::string::npos ? reason : fmt::format("{} ({})", reason, why);
}

// A program that is served, was told, or has said how it ended leaves by itself. One of a run that links libckpt is told
// when it attaches, if it still has the time.
bool RunningBlock::program_knows() const {
  const bool will_attach = plan_.linked_before && talk_.news().served_count == 0 && now() < deadline_;
  return will_attach || talk_.serving() || talk_.stop_told() || talk_.news().outcome;
}

void RunningBlock::request_stop(StopCause cause, const std::string& reason) {
  if (cause <= asked_) return;
  asked_ = cause;
  ledger_.append("stop_requested", {{"reason", reason}});
  note_whether_it_handles_the_stop();
  const std::string when = !waits_for_checkpoint() ? "" : fmt::format(
      "; it is stopped right after its next checkpoint (one every {})", format_duration(*watch_->interval()));
  log_info("block {}: asked to stop: {}{}{}", plan_.block, reason, when,
           run_.signals.interrupted() ? "; ^C once more ends it at once" : "");
  talk_.request_stop(reason);
}

// Slurm may send its signal to all at once: who does not handle it may be gone when it is our turn.
void RunningBlock::note_whether_it_handles_the_stop() {
  if (watch_ && !handles_stop_) handles_stop_ = any_handles(child_.pid(), plan_.stop_signal);
}

// Once. The program's own process only: the workers of a data loader must not die before it has saved.
// Another signal than that would kill whoever does not expect it.
void RunningBlock::send_stop_signal() {
  if (stop_sent_) return;
  stop_sent_ = now();
  note_whether_it_handles_the_stop();
  const pid_t program = program_inside(child_.pid());
  if (plan_.stop_signal == SIGTERM) {
    ::kill(program, SIGTERM);
    return;
  }
  if (signal_those_who_handle(program, plan_.stop_signal) > 0) return;
  log_warning("block {}: none of its processes handles {}: it is ended with SIGTERM", plan_.block,
              signal_name(plan_.stop_signal));
  ::kill(program, SIGTERM);
}

void RunningBlock::kill_tree(double grace_seconds) {
  const auto look_after_them = [this] {   // one that waits for its reader would not come to its end
    output_.pass_on();
    return reap();
  };
  tree_end_ = end_descendants(run_.clock, grace_seconds, look_after_them);
  if (tree_end_ == TreeEnd::left)
    log_warning("block {}: some of its processes do not die; they wait for something in the kernel", plan_.block);
  tree_ended_ = true;
}

// A shell around the program has died of the signal that the program answers by saving.
bool RunningBlock::stop_goes_on() const { return stop_sent_ && handles_stop_ && child_.signal() == plan_.stop_signal; }

// By a signal, also one that a shell around it tells of. A program that handles the one which asks it to stop may save, and then die
// of that very signal.
Ending RunningBlock::ending() const {
  constexpr int told_by_shell = 128, highest_signal = 64;
  const int code = child_.exit_code().value_or(0);
  const int told = code > told_by_shell && code <= told_by_shell + highest_signal ? code - told_by_shell : 0;
  const int signal = child_.signal().value_or(told);
  const bool is_answer = handles_stop_ && signal == plan_.stop_signal && tree_end_ == TreeEnd::ended;
  if (killed_ || (signal != 0 && !is_answer)) return Ending::cut_off;
  if (asked_ != StopCause::nobody) return Ending::asked;
  return code == 0 || code == exit_to_be_continued ? Ending::by_itself : Ending::cut_off;
}

void RunningBlock::finish_output() {
  output_.finish(run_.clock, [this] {
    run_.signals.take(now());
    return run_.signals.stop_now() || now() >= end_;
  });
}

BlockResult RunningBlock::finish(int exec_error) {
  const double left = std::max(end_ - now(), kill_grace_seconds);
  if (!tree_ended_) kill_tree(std::min(stop_goes_on() ? grace_of_stop_seconds : tree_grace_seconds, left));
  finish_output();
  if (talk_.handle()) note_news();
  const double ended = now();
  if (watch_ && watch_->settle(ending())) note_checkpoint();
  if (watch_)
    for (const checkpoints::Candidate& candidate : watch_->left_open()) ledger_.append("left_open", checkpoints::to_json(checkpoints::Version{candidate, "", 0, ""}));
  Seen what = patiently(run_.clock, [this] { return seen(); });
  if (!plan_.done_when.empty() && !what.linked && what.exit_code == 0) what.done = is_done(run_, plan_);
  const Verdict verdict = judge(what);
  BlockResult result;
  result.block = plan_.block;
  result.linked = what.linked;
  const auto entries = patiently(run_.clock, [this] { return run_.catalog.list(); });
  if (!entries.empty()) result.newest = entries.front().id;
  result.resumed_from = resumed_from(entries);
  result.outcome = verdict.outcome;
  result.reason = exec_error == 0 ? with_why(verdict.reason)
                                  : fmt::format("'{}' cannot be run: {}", plan_.command.front(), errno_text(exec_error));
  result.exit_code = what.exit_code;
  result.signal = what.signal;
  result.asked = superseded() ? StopCause::superseded : asked_;   // the program may see it, and leave, before us
  result.reached_point = first_point_.has_value();
  result.started = exec_error == 0;
  result.seconds = now() - started_;
  result.whole_seconds = whole_seconds_;
  result.end_moved_nearer = end_moved_nearer_;
  result.start_up_seconds = first_point_ ? *first_point_ - started_ : 0;
  if (result.outcome == rundir::Outcome::crashed && result.started && !killed_) blame(result);
  result.began = began_;
  if (watch_) {
    result.keeps_own = !what.linked;
    result.own_from = plan_.own->resume;
    result.own_newest = watch_->newest() ? watch_->newest() : plan_.own->resume;
    result.own_matched = watch_->has_matched();
    result.own_began_again = watch_->began_again();
    result.costs.between_points = watch_->interval().value_or(0);
  }
  if (stop_sent_) result.stop_seconds = ended - *stop_sent_;
  result.stop_cut_off = stop_sent_ && handles_stop_ && killed_ && !killed_at_once_ && plan_.stop_way == StopWay::in_advance;
  if (result.stop_cut_off)
    log_warning("block {}: its program had not ended {} after {}: the next block sends that earlier", plan_.block,
                format_duration(result.stop_seconds), signal_name(plan_.stop_signal));
  if (result.outcome == rundir::Outcome::finished && printed_ && progress_text_ && progress_text_->tells_beginnings())
    note_progress({printed_->done + 1, printed_->total, printed_->unit});
  result.reached = printed_ ? printed_ : progress_in(talk_.news().status);
  const ProgramNews& news = talk_.news();
  if (news.status) result.costs.between_points = news.status->seconds_between_points;
  if (news.status) result.last_step = news.status->step;
  if (result.newest && result.newest->block == plan_.block)
    result.last_step = std::max(result.last_step.value_or(0), result.newest->step);
  if (news.durable) result.costs.stage = news.durable->stall_seconds / static_cast<double>(news.durable_count);
  if (news.durable) result.costs.drain = news.durable->drain_seconds;
  record(result);
  return result;
}

void RunningBlock::blame(BlockResult& result) const {
  const CrashCause cause = witness_.cause(run_.layout.block_log(plan_.block));
  result.crash = cause.kind;
  result.reason = explain(result.reason, cause, plan_.node);
}

// What the catalog had expected, unless the program found it damaged and fell back to the next older one.
std::optional<rundir::SnapshotId> RunningBlock::resumed_from(const std::vector<rundir::CatalogEntry>& entries) const {
  if (!plan_.resume) return std::nullopt;
  const auto damaged = run_.catalog.damaged();
  const std::string expected = rundir::snapshot_file_name(*plan_.resume);
  const bool fell_back = std::any_of(damaged.begin(), damaged.end(), [&](const auto& name) { return name.starts_with(expected); });
  if (!fell_back) return plan_.resume;
  const auto older = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.id.block < plan_.block; });
  return older == entries.end() ? std::nullopt : std::optional(older->id);
}

Seen RunningBlock::seen() const {
  Seen seen;
  const auto attachments = run_.blocks.read_attachments(plan_.block);
  seen.linked = plan_.linked_before || talk_.news().served_count > 0 ||
                std::any_of(attachments.begin(), attachments.end(), [](const auto& one) { return one.linked; });
  seen.recorded = run_.blocks.read_end(plan_.block);
  seen.told = talk_.news().outcome;
  seen.exit_code = child_.exit_code();
  seen.signal = child_.signal();
  seen.asked = asked_;
  seen.killed = killed_;
  seen.killed_at_once = killed_at_once_;
  seen.keeps_own = watch_.has_value();
  if (watch_ && checkpoints::is_newer(watch_->newest(), plan_.own->resume))
    seen.newer_checkpoint = checkpoints::describe(*watch_->newest());
  return seen;
}

void RunningBlock::record(const BlockResult& result) try {
  ledger_.append("ended", to_json(result));
  run_.status.clear_block();
  const std::optional<std::uint64_t> step = result.newest ? std::optional(result.newest->step) : std::nullopt;
  run_.blocks.write_end(plan_.block, {result.outcome, result.reason, "ckptrun", ::getpid(), step, result.exit_code,
                                      result.signal, run_.clock.wall_seconds()});
} catch (const Error& error) {   // a full disk must not turn a finished run into a failed one
  log_warning("the end of block {} could not be recorded: {}", plan_.block, error.what());
}

}  // namespace

BlockResult run_block(const RunAccess& run, rundir::Ledger& ledger, const BlockPlan& plan) {
  return RunningBlock(run, ledger, plan).run();
}

}  // namespace ckpt::supervisor
