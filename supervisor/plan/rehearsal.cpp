// SPDX-License-Identifier: Apache-2.0
#include "plan/rehearsal.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "chain/learned_times.hpp"
#include "chain/own_checkpoints.hpp"
#include "chain/plan.hpp"
#include "chain/thrown_away.hpp"
#include "plan/job_scripts.hpp"
#include "plan/provisional.hpp"
#include "plan/runs_place.hpp"
#include "rundir/run_record.hpp"
#include "slurm/place.hpp"
#include "slurm/script.hpp"
#include "slurm/settings.hpp"
#include "slurm/submit.hpp"
#include "tools/program_word.hpp"

namespace ckpt::plan {
namespace {

namespace stdfs = std::filesystem;
using namespace supervisor;

constexpr double look_seconds = 0.5;
constexpr double between_interrupts_seconds = 0.6;  // two of them end ckptrun at once

std::atomic<int> interrupted{0};

// ^C reaches ckptrun as well; what is thrown away must still be removed.
class InterruptsAreNoted {
 public:
  InterruptsAreNoted() {
    struct sigaction action {};
    action.sa_handler = [](int number) { interrupted = number; };
    for (std::size_t i = 0; i < std::size(signals); ++i) ::sigaction(signals[i], &action, &before_[i]);
  }
  ~InterruptsAreNoted() {
    for (std::size_t i = 0; i < std::size(signals); ++i) ::sigaction(signals[i], &before_[i], nullptr);
  }
  InterruptsAreNoted(const InterruptsAreNoted&) = delete;

 private:
  static constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  struct sigaction before_[std::size(signals)];
};

// ckptrun with the user's command, watched from outside.
class Ckptrun {
 public:
  Ckptrun(Clock& clock, const std::vector<std::string>& words) : clock_(clock) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    if (const int error = ::posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ))
      fail_io(error, "'{}' cannot be started", words.front());
  }
  ~Ckptrun() {
    if (!ended()) end_now();
  }
  Ckptrun(const Ckptrun&) = delete;

  bool ended() {
    if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
    return ended_;
  }
  void wait() {
    while (!ended()) {
      if (interrupted) ::kill(pid_, SIGTERM);
      clock_.sleep_seconds(look_seconds);
    }
  }
  void end_now() {
    ::kill(pid_, SIGINT);
    clock_.sleep_seconds(between_interrupts_seconds);
    if (!ended()) ::kill(pid_, SIGINT);
    while (!ended()) clock_.sleep_seconds(look_seconds);
  }
  int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_); }

 private:
  Clock& clock_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

class Rehearsal {
 public:
  Rehearsal(io::FileSystem& fs, Clock& clock, const Request& request, const rundir::Layout& thrown_away)
      : fs_(fs), clock_(clock), request_(request), thrown_away_(thrown_away) {}

  void measure_work() {
    Ckptrun ckptrun(clock_, words());
    while (!ckptrun.ended() && !interrupted && !is_measured()) clock_.sleep_seconds(look_seconds);
    if (!ckptrun.ended() && !interrupted)
      rundir::send_request(fs_, thrown_away_, rundir::RequestKind::stop, rundir::permissions_of(fs_, thrown_away_));
    ckptrun.wait();
    exit_code_ = ckptrun.exit_code();
  }
  // What was saved is restored once, and then given up.
  void measure_restart() {
    Ckptrun ckptrun(clock_, words());
    while (!ckptrun.ended() && !interrupted && learned().restore.count() == 0) clock_.sleep_seconds(look_seconds);
  }
  LearnedTimes learned() const { return learn_times(fs_, thrown_away_); }
  int exit_code() const { return exit_code_; }

 private:
  std::vector<std::string> words() const {
    std::vector<std::string> result = {tools::program_word("ckptrun"),  "--quiet", "--here", "-r",
                                       thrown_away_.directory()};
    const std::vector<std::string> rest = request_.ckptrun_words();
    result.insert(result.end(), rest.begin(), rest.end());
    return result;
  }
  // Fast epochs share lines of the ledger: then their number counts, not that of the observations. A program that tells
  // no progress is measured by its steps, as soon as a snapshot shows how fast they are.
  bool is_measured() const {
    const LearnedTimes now = learned();
    const double wanted = static_cast<double>(*request_.rehearsed_units);
    const bool enough_units = now.units_observed >= wanted;
    return now.unit == "step" ? now.unit_seconds.count() > 0 && enough_units : enough_units;
  }

  io::FileSystem& fs_;
  Clock& clock_;
  const Request& request_;
  const rundir::Layout& thrown_away_;
  int exit_code_ = 0;
};

void keep_ledgers(io::FileSystem& fs, const rundir::Layout& thrown_away, const rundir::Layout& layout) {
  const rundir::Permissions permissions = rundir::prepare_run_directory(fs, layout, {});
  const std::string kept = rehearsal_of(layout).directory();
  std::error_code failed;
  stdfs::remove_all(kept, failed);  // of an earlier rehearsal
  if (failed) fail_io(failed.value(), "cannot remove '{}', an earlier rehearsal (remove it by hand)", kept);
  if (const int error = fs.make_directory(kept, permissions.directory)) fail_io(error, "cannot create '{}'", kept);
  if (const int error = fs.rename_new(thrown_away.blocks(), rehearsal_of(layout).blocks()))
    fail_io(error, "cannot keep the times of the rehearsal in '{}'", kept);
}

// "ckptplan --rehearse 2 -r RUN -- COMMAND", or "… -- ckptrun OPTIONS -- COMMAND"
std::vector<std::string> rehearsal_command(const Request& request, const std::string& run_directory) {
  std::vector<std::string> words = {tools::program_word("ckptplan"), "--rehearse",
                                    fmt::format("{}", *request.rehearsed_units)};
  if (request.units) words.insert(words.end(), {"--epochs", fmt::format("{:g}", *request.units)});
  if (!run_directory.empty()) words.insert(words.end(), {"-r", run_directory});
  words.push_back("--");
  if (!request.ckptrun_options.empty()) words.push_back("ckptrun");
  const std::vector<std::string> rest = request.ckptrun_options.empty() ? request.command : request.ckptrun_words();
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

void refuse_on_login_node(Clock& clock, const Request& request) {
  if (slurm::where_are_we(clock).place != slurm::Place::login_node) return;
  fail(CKPT_ERR_CONFIG, "this is a login node, where nothing is run; type: {}   (or --rehearse {} --submit)",
       slurm::interactive_line(request.resources, request.limit_seconds.value_or(rehearsal_limit_seconds),
                               rehearsal_command(request, request.run)),
       *request.rehearsed_units);
}

// A program with checkpoints of its own: their pattern; empty: it has none.
std::string pattern_of(const Request& request) {
  constexpr std::string_view option = "--latest";
  const std::vector<std::string>& words = request.ckptrun_options;
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (*word == option && word + 1 != words.end()) return *(word + 1);
    if (word->starts_with(option) && word->substr(option.size(), 1) == "=") return word->substr(option.size() + 1);
  }
  return {};
}

bool reads_progress(const Request& request) {
  return std::any_of(request.ckptrun_options.begin(), request.ckptrun_options.end(),
                     [](const std::string& word) { return word.starts_with("--progress"); });
}

// It would run to the end of the training.
void refuse_to_wait_for_no_epoch(const Request& request, const std::string& pattern) {
  if (pattern.empty() || reads_progress(request)) return;
  if (pattern.find("{epoch") != std::string::npos || pattern.find("{step") != std::string::npos) return;
  fail(CKPT_ERR_CONFIG, "--rehearse: nothing would tell when an epoch is done: write {{epoch}} into '{}' where the names have "
       "its number, or add --progress", pattern);
}

}  // namespace

void rehearse(io::FileSystem& fs, Clock& clock, const Request& request, const rundir::Layout& layout) {
  refuse_on_login_node(clock, request);
  const std::string pattern = pattern_of(request);
  refuse_to_wait_for_no_epoch(request, pattern);
  const InterruptsAreNoted noted;
  ThrownAway folder(layout.directory(), "rehearsal");
  const rundir::Layout thrown_away(folder.path());
  Rehearsal rehearsal(fs, clock, request, thrown_away);
  log_info("rehearsing {} in a run that is thrown away ({})",
           count_of(static_cast<double>(*request.rehearsed_units), "epoch"), thrown_away.directory());
  if (!pattern.empty()) log_info("the checkpoints that the program writes stay, and the run will go on from them: {}", pattern);
  rehearsal.measure_work();
  if (!put_back_what_is_torn(fs, thrown_away)) {
    folder.keep();
    log_warning("{} stays: a copy of a checkpoint is in it", thrown_away.kept());
  }
  if (interrupted) fail(CKPT_ERR_TIMEOUT, "the rehearsal was interrupted; nothing is kept of it");
  const LearnedTimes learned = rehearsal.learned();
  if (learned.unit_seconds.count() == 0)
    fail(CKPT_ERR_CONFIG,
         "the rehearsal measured nothing: the program ended (exit code {}) before an epoch was told of; "
         "does it use libckpt and call ckpt_progress once an epoch? Or are there checkpoints with {{epoch}} in --latest, or is "
         "--progress given? Else give --epoch-time",
         rehearsal.exit_code());
  if (learned.state_bytes > 0) rehearsal.measure_restart();   // others tell of no restore: it is part of their start-up
  keep_ledgers(fs, thrown_away, layout);
}

void submit_rehearsal(io::FileSystem& fs, Clock& clock, const Request& request, const Job& job) {
  const rundir::Layout layout(job.run.directory);
  Provisional made(layout);
  make_runs_folder(job, made);
  const rundir::Permissions permissions = rundir::prepare_run_directory(fs, layout, {});
  const slurm::JobShape shape{.name = job.name + "-rehearsal",
                              .limit_seconds = request.limit_seconds.value_or(rehearsal_limit_seconds),
                              .warning_seconds = 0,
                              .log_folder = layout.logs(),
                              .log_name = "rehearsal-%j.log",
                              .working_directory = directory_of_job(request)};
  slurm::ScriptContent content{
      .title = fmt::format("Written by ckptplan: a rehearsal of the run {}.", layout.directory()),
      .options = slurm::resource_options(request.resources),
      .surroundings = slurm::surroundings_here(),
      .command = rehearsal_command(request, layout.directory())};
  content.surroundings.node_disk = request.by_site.node_disk;
  for (std::string& option : slurm::job_options(shape)) content.options.push_back(std::move(option));
  const std::string script =
      made.add(keep_script(fs, layout.directory(), "rehearsal.sh", slurm::job_script(content), permissions));
  slurm::warn_about_settings_left_out(false);
  const slurm::Submitted submitted = slurm::submit_job(clock, {}, script, {});
  if (!submitted.refused) made.keep();
  if (!submitted.ok()) fail(CKPT_ERR_CONFIG, "{}", submitted.why_not());
  if (request.format == tools::Format::json)
    return tools::print_json({{"job", submitted.job_id}, {"run", job.run.name}, {"script", script}});
  fmt::print(
      "submitted  job {}: a rehearsal of {}\n  result   {}/rehearsal-{}.log; ckptplan -r {} plans with it then\n",
      submitted.job_id, count_of(static_cast<double>(*request.rehearsed_units), "epoch"), layout.logs(),
      submitted.job_id, shell_word(job.run.name));
}

}  // namespace ckpt::plan
