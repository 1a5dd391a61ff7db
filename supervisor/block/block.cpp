// SPDX-License-Identifier: Apache-2.0
#include "block/block.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"
#include "block/launch.hpp"
#include "block/patience.hpp"
#include "block/process_tree.hpp"
#include "block/program_talk.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

using nlohmann::json;

constexpr double tick_seconds = 1;                  // control/ is looked at, status.json is written
constexpr double newest_check_seconds = 60;
constexpr double superseded_grace_seconds = 30;
constexpr double tree_grace_seconds = 5;            // between TERM and KILL for what the program left behind
constexpr double kill_grace_seconds = 1;            // the same when there is no time any more

template <class Value>
json or_null(const std::optional<Value>& value) {
  return value ? json(*value) : json();
}

class RunningBlock {
 public:
  RunningBlock(const RunAccess& run, rundir::Ledger& ledger, const BlockPlan& plan)
      : run_(run), ledger_(ledger), plan_(plan), started_(now()), end_(started_ + plan.block_seconds),
        deadline_(end_ - engine::safety_margin(plan.block_seconds)), talk_([this] { return welcome(); }),
        child_(plan.program_path, plan.command, child_environment(environment()), run.signals) {}
  ~RunningBlock();

  BlockResult run();

 private:
  double now() const { return run_.clock.monotonic_seconds(); }
  std::vector<std::string> environment() const;
  staging::Welcome welcome() const;

  int start();
  void wait();
  void look();
  void tick();
  bool superseded() const;
  void take_requests();
  void note_news();
  void act();
  bool program_knows() const;
  void request_stop(StopCause cause, const std::string& reason);
  void send_term();
  void kill_tree(double grace_seconds);
  BlockResult finish(int exec_error);
  std::optional<rundir::SnapshotId> resumed_from(const std::vector<rundir::CatalogEntry>& entries) const;
  Seen seen() const;
  void record(const BlockResult& result);

  const RunAccess& run_;
  rundir::Ledger& ledger_;
  const BlockPlan& plan_;
  double started_, end_, deadline_;                 // monotonic seconds
  ProgramTalk talk_;
  Child child_;
  StopCause asked_ = StopCause::nobody;
  bool term_sent_ = false, killed_ = false, tree_ended_ = false;
  bool reached_point_ = false;
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
  welcome.block_seconds = plan_.block_seconds;
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
  const int exec_error = child_.release();
  const json from = plan_.resume ? json{{"step", plan_.resume->step}, {"block", plan_.resume->block}} : json();
  ledger_.append("started", {{"block", plan_.block}, {"command", plan_.command}, {"resume", from},
                             {"block_seconds", std::isfinite(plan_.block_seconds) ? json(plan_.block_seconds) : json()},
                             {"pid", child_.pid()}});
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
  double until = std::min(next_tick_, end_);
  if (asked_ == StopCause::nobody) until = std::min(until, deadline_);
  const double milliseconds = std::ceil(std::max(0.0, until - now()) * 1000);
  ::poll(polled.data(), polled.size(), static_cast<int>(milliseconds));
}

void RunningBlock::look() {
  run_.signals.take(now());
  child_.reap();
  if (talk_.handle()) note_news();
  if (now() >= next_tick_) tick();
}

void RunningBlock::tick() {
  next_tick_ = now() + tick_seconds;
  take_requests();
  run_.status.write_when_due();
  if (now() < next_newest_check_) return;
  next_newest_check_ = now() + newest_check_seconds;
  if (!superseded()) return;
  request_stop(StopCause::superseded, "a newer block of this run has started");
  end_ = std::min(end_, now() + superseded_grace_seconds);
}

bool RunningBlock::superseded() const try {
  return !run_.blocks.is_newest(plan_.block);
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
  reached_point_ = reached_point_ || news.durable || (news.status && news.status->step.value_or(0) > 0);
  run_.status.set_news(news);
}

void RunningBlock::act() {
  if (child_.ended()) return;
  if (const auto& reason = run_.signals.stop_reason()) request_stop(StopCause::user, *reason);
  if (now() >= deadline_) request_stop(StopCause::deadline, "the block's time is up");
  if (asked_ != StopCause::nobody && !program_knows()) send_term();
  if (now() < end_ && !run_.signals.stop_now()) return;
  killed_ = true;
  kill_tree(kill_grace_seconds);
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
  log_info("block {}: asked to stop: {}", plan_.block, reason);
  talk_.request_stop(reason);
}

// Once. The program's own process only: the workers of a data loader must not die before it has saved.
void RunningBlock::send_term() {
  if (!term_sent_) ::kill(child_.pid(), SIGTERM);
  term_sent_ = true;
}

void RunningBlock::kill_tree(double grace_seconds) {
  if (!end_descendants(run_.clock, grace_seconds, [this] { return child_.reap(); }))
    log_warning("block {}: some of its processes do not die; they wait for something in the kernel", plan_.block);
  tree_ended_ = true;
}

BlockResult RunningBlock::finish(int exec_error) {
  const double left = std::max(end_ - now(), kill_grace_seconds);
  if (!tree_ended_) kill_tree(std::min(tree_grace_seconds, left));
  if (talk_.handle()) note_news();
  const Seen what = patiently(run_.clock, [this] { return seen(); });
  const Verdict verdict = judge(what);
  BlockResult result;
  result.block = plan_.block;
  result.linked = what.linked;
  const auto entries = patiently(run_.clock, [this] { return run_.catalog.list(); });
  if (!entries.empty()) result.newest = entries.front().id;
  result.resumed_from = resumed_from(entries);
  result.outcome = verdict.outcome;
  result.reason = exec_error == 0 ? verdict.reason
                                  : fmt::format("'{}' cannot be run: {}", plan_.command.front(), errno_text(exec_error));
  result.exit_code = what.exit_code;
  result.signal = what.signal;
  result.asked = asked_;
  result.reached_point = reached_point_;
  result.started = exec_error == 0;
  result.seconds = now() - started_;
  const ProgramNews& news = talk_.news();
  if (news.status) result.costs.between_points = news.status->seconds_between_points;
  if (news.durable) result.costs.stage = news.durable->stall_seconds / static_cast<double>(news.durable_count);
  if (news.durable) result.costs.drain = news.durable->drain_seconds;
  record(result);
  return result;
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
  return seen;
}

void RunningBlock::record(const BlockResult& result) try {
  const std::optional<std::uint64_t> step = result.newest ? std::optional(result.newest->step) : std::nullopt;
  if (result.signal) ledger_.append("exited", {{"signal", *result.signal}});
  else ledger_.append("exited", {{"code", or_null(result.exit_code)}});
  ledger_.append("ended", {{"outcome", rundir::name(result.outcome)}, {"reason", result.reason}, {"step", or_null(step)},
                           {"seconds", result.seconds}, {"between_points_seconds", result.costs.between_points},
                           {"stage_seconds", result.costs.stage}, {"drain_seconds", result.costs.drain}});
  run_.status.clear_block();
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
