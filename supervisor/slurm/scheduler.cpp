// SPDX-License-Identifier: Apache-2.0
#include "slurm/scheduler.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/publish.hpp"
#include "slurm/shared_array.hpp"
#include "slurm/submit.hpp"

namespace ckpt::supervisor::slurm {
namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const rundir::Submission* find(const std::vector<rundir::Submission>& submissions, const std::string& array_id) {
  const auto found = std::find_if(submissions.begin(), submissions.end(), [&](const rundir::Submission& one) {
    return one.array_id == array_id || contains(one.sweep_arrays, array_id);
  });
  return found == submissions.end() ? nullptr : &*found;
}

// We are being requeued: the restart is counted already, the task starts anew when we are gone.
bool will_start_again(const Job& job, const JobEnvironment& us) {
  return job.id == us.id && job.state == JobState::completing && job.restarts.value_or(0) > us.restart_count;
}

// Those that one record stands for. Cancelled ones leave a record without tasks behind.
std::size_t waiting_tasks(const Job& job, const std::optional<std::uint64_t>& task, const JobEnvironment& us) {
  if (will_start_again(job, us)) return 1;
  if (job.reason == "DependencyNeverSatisfied") return 0;
  if (!is_waiting(job.state) || !job.tasks) return 0;
  if (task) return job.tasks->contains(*task) ? 1 : 0;
  return job.tasks->count();
}

// As the job was sent, in whole minutes as Slurm counts: it may have been changed since, for this one task.
double limit_at_first(const Job& job, const EndTime& end) {
  constexpr double minute = 60, rounding = 1e-6;
  const double whole = end.whole_seconds();
  return std::isfinite(whole) ? minute * std::ceil(whole / minute - rounding) : job.limit_seconds.value_or(0);
}

// The run is named after the job and lies in its folder: without these another run would start from the beginning.
JobOptions options_of(const Job& job, double limit_seconds) {
  Resources resources;
  resources.account = job.account;
  resources.partition = job.partition;
  resources.qos = job.qos;
  JobShape shape;
  shape.name = job.name;
  if (std::isfinite(limit_seconds)) shape.limit_seconds = limit_seconds;
  shape.working_directory = job.work_directory;
  JobOptions options = resource_options(resources);
  for (std::string& option : job_options(shape)) options.push_back(std::move(option));
  return options;
}

// In the comment of an array that extends another, beside what its user says there: whoever dies between sending it and
// recording that leaves it to be found.
constexpr std::string_view extension_mark = "ckpt-extends:";

// "4711" of "my project ckpt-extends:4711"; empty: it extends none.
std::string extended_array(std::string_view comment) {
  for (const std::string_view word : split(comment, ' '))
    if (word.starts_with(extension_mark) && parse_number(word.substr(extension_mark.size())))
      return std::string(word.substr(extension_mark.size()));
  return {};
}

std::string without_mark(std::string_view comment) {
  std::string kept;
  for (const std::string_view word : split(comment, ' '))
    if (!word.empty() && !word.starts_with(extension_mark)) kept.append(kept.empty() ? "" : " ").append(word);
  return kept;
}

// Slurm starts the next task while our job is ending already: after its limit, a preemption, a scancel. Of two blocks that
// are alive at once the lost one does not run, as far as Slurm knows.
bool runs_beside_us(const Job& job, const JobEnvironment& us) {
  return job.tasks && job.tasks->single() && job.id != us.id && holds_nodes(job.state) && job.state != JobState::completing;
}

std::string name_of_task(const Job& job) { return fmt::format("task {} of array {}", *job.tasks->single(), job.array_id); }

}  // namespace

std::vector<std::string> arrays_of_chain(const std::vector<rundir::Submission>& submissions,
                                         const std::string& array_id) {
  std::vector<std::string> chain = {array_id};
  for (std::size_t known = 0; known != chain.size();) {
    known = chain.size();
    for (const rundir::Submission& one : submissions) {
      const bool before = contains(chain, one.array_id), after = contains(chain, one.extends);
      if (before && !after && !one.extends.empty()) chain.push_back(one.extends);
      if (after && !before) chain.push_back(one.array_id);
    }
  }
  return chain;
}

SlurmScheduler::SlurmScheduler(io::FileSystem& fs, Clock& clock, JobEnvironment job, const Attempts& attempts)
    : fs_(fs), clock_(clock), job_(std::move(job)), patient_(attempts), owners_(clock, job_.cluster), end_(clock, job_) {}

OwnerState SlurmScheduler::owner_state(const rundir::Claim& claim, const ProcessIdentity& who) {
  return owners_.state(claim, who);
}

JobEnd SlurmScheduler::how_ended(const rundir::Claim& claim) { return owners_.how_ended(claim); }

std::optional<rundir::Submission> SlurmScheduler::own_submission() const {
  if (run_directory_.empty()) return std::nullopt;
  for (const std::string& folder : {run_directory_, io::parent_directory(run_directory_)}) {
    const auto submissions = rundir::read_submissions(fs_, folder);
    if (const auto* found = find(submissions, array_id())) return *found;
  }
  return std::nullopt;
}

// Of this chain, or of this sweep, but for the one we are in.
std::vector<std::string> SlurmScheduler::other_arrays() const {
  std::vector<std::string> arrays;
  if (is_chain_.value_or(false) && !run_directory_.empty())
    arrays = arrays_of_chain(rundir::read_submissions(fs_, run_directory_), array_id());
  else if (const auto submission = own_submission(); submission && is_chain_ == false)
    arrays = submission->sweep_arrays;
  std::erase(arrays, array_id());
  return arrays;
}

JobAnswer SlurmScheduler::look_at_own_array() {
  JobAnswer answer = show_array(clock_, array_id(), patient_);
  was_silent_ = answer.kind == JobAnswer::Kind::silent && !answer.nobody_to_ask;
  if (answer.found()) record_if_it_extends(answer.jobs);
  // A throttle can be changed at any time; what was submitted as a chain stays one.
  if (const auto submission = is_chain_ ? std::nullopt : own_submission()) is_chain_ = submission->sweep_arrays.empty();
  for (const Job& job : answer.jobs) {
    const bool is_ours = job.id == job_.id;
    if ((!job.command.empty() || job_.array_id.empty()) && (is_ours || script_.empty())) {
      script_ = job.command;
      options_ = options_of(job, is_ours ? limit_at_first(job, end_) : job.limit_seconds.value_or(0));
      comment_ = job.comment;
    }
    if (!is_chain_ && job.array_id == array_id() && job.tasks) is_chain_ = job.throttle == 1;
  }
  return answer;
}

// Sent by a block that died before it could record that.
void SlurmScheduler::record_if_it_extends(const std::vector<Job>& own) {
  if (only_looks_ || run_directory_.empty() || own_submission()) return;
  const std::string extended = extended_array(own.front().comment);
  const auto submissions = rundir::read_submissions(fs_, run_directory_);
  std::size_t tasks = 0;
  for (const Job& job : own) tasks += job.tasks ? job.tasks->count() : 0;
  if (const auto* before = find(submissions, extended)) record_extension(*before, array_id(), extended, tasks);
}

// In a sweep every other task belongs to somebody else.
std::optional<std::size_t> SlurmScheduler::waiting_in(const JobAnswer& answer) const {
  if (answer.kind == JobAnswer::Kind::silent) return std::nullopt;
  std::optional<std::uint64_t> only;
  if (!is_chain_.value_or(false)) only = parse_number(job_.array_task);
  std::size_t count = 0;
  for (const Job& job : answer.jobs) count += waiting_tasks(job, only, job_);
  return count;
}

// A task that ran again may be overtaken, and be the last of all whatever its number.
bool SlurmScheduler::may_be_the_last() const {
  return job_.array_last.empty() || job_.array_task == job_.array_last || job_.restart_count > 0;
}

QueueFacts SlurmScheduler::queue() {
  if (job_.array_id.empty()) is_chain_ = false;
  arrays_to_cancel_.clear();
  const JobAnswer own = look_at_own_array();
  QueueFacts facts{is_chain_, array_id(), job_.array_task, std::nullopt, {}};
  if (!is_chain_) return facts;
  facts.waiting = 0;
  const auto add = [&](const std::string& id, const JobAnswer& answer) {
    const auto more = waiting_in(answer);
    if (more.value_or(0) > 0 && facts.waits_in.empty()) facts.waits_in = id;
    if (more != 0 && (*is_chain_ || id != array_id())) arrays_to_cancel_.push_back(id);   // of a sweep not ourselves
    facts.waiting = facts.waiting && more ? std::optional(*facts.waiting + *more) : std::nullopt;
    for (const Job& job : answer.jobs)
      if (*is_chain_ && runs_beside_us(job, job_)) facts.begun = name_of_task(job);
  };
  add(array_id(), own);
  for (const std::string& other : other_arrays()) add(other, show_array(clock_, other, patient_));
  facts.was_cut_short = *is_chain_ && (end_.was_cancelled() || !may_be_the_last());
  // The next task of a trial waits for a good end of ours, and a cancelled job has none: Slurm will cancel that as well.
  if (!*is_chain_ && end_.was_cancelled()) facts.waiting = 0;
  return facts;
}

// For single tasks the plain form: with --state, 22.05 cancels the whole array of a task that waits.
std::vector<std::string> SlurmScheduler::cancel_words() const {
  std::vector<std::string> words = {"scancel"};
  if (*is_chain_) words.emplace_back("--state=PENDING");
  for (const std::string& array : arrays_to_cancel_)
    words.push_back(*is_chain_ ? array : array + '_' + job_.array_task);
  return words;
}

// Empty where Slurm does not tell it.
std::string SlurmScheduler::script_text() {
  if (only_looks_) return {};
  return run(clock_, question({"scontrol", "write", "batch_script", job_.id, "-"}), patient_).output;
}

std::string SlurmScheduler::cancel_waiting() {
  queue();
  if (!is_chain_) return fmt::format("array {}: Slurm does not say now what waits; look: squeue --me", array_id());
  if (arrays_to_cancel_.empty()) return {};
  if (const std::string other = *is_chain_ ? other_run_in(fs_, run_directory_, arrays_to_cancel_, script_text()) : ""; !other.empty())
    return fmt::format("array {} is left as it is: the run {} goes on in it", arrays_to_cancel_.front(), other);
  const Command command = question(cancel_words());
  const Answer answer = run(clock_, command, patient_);
  const bool known = queue().waiting.has_value();   // it succeeds when it did nothing as well
  if (answer.ok() && (arrays_to_cancel_.empty() || !known)) return {};
  return fmt::format("what waits could not be cancelled ({}); type: {}",
                     answer.ok() ? "some of it still waits" : describe(command, answer), fmt::join(command.words, " "));
}

Extension SlurmScheduler::extend(std::size_t blocks) {
  const auto before = own_submission();
  if (!before) return {{}, fmt::format("array {} was not sent by ckptplan", array_id())};
  JobOptions options = {chain_array(blocks)};
  options.insert(options.end(), before->options.begin(), before->options.end());
  options.push_back(comment_of_extension());
  options.push_back(fmt::format("--dependency=afterany:{}_{}", array_id(), job_.array_task));   // while we hold the run
  Attempts attempts = once(submission_seconds);
  attempts.until = patient_.until;
  const Submitted sent = submit_job(clock_, options, before->script, before->arguments, before->working_directory, attempts);
  if (sent.ok()) record_extension(*before, sent.job_id, array_id(), blocks);
  // An answer that was lost may have been a submission.
  const std::string sent_id = sent.ok() ? sent.job_id : find_extension().array_id;
  return {sent_id, sent_id.empty() ? sent.said : ""};
}

std::string SlurmScheduler::comment_of_extension() const {
  const std::string own = without_mark(comment_);
  return fmt::format("--comment={}{}{}{}", own, own.empty() ? "" : " ", extension_mark, array_id());
}

// One line per task of this user: "4800|my project ckpt-extends:4711".
Extension SlurmScheduler::find_extension() {
  const auto before = own_submission();
  if (!before) return {{}, fmt::format("array {} was not sent by ckptplan", array_id())};
  const Command command = question({"squeue", "-h", "-r", "-t", "all", "-u", identify_self().user, "-o", "%F|%k"});
  const Answer answer = run(clock_, command, patient_);
  if (!answer.ok()) return {{}, describe(command, answer)};
  std::string found;
  std::size_t tasks = 0;
  for (const std::string_view line : lines_of(answer.output)) {
    const std::size_t bar = std::min(line.find('|'), line.size());
    if (!parse_number(line.substr(0, bar)) || extended_array(line.substr(std::min(bar + 1, line.size()))) != array_id()) continue;
    found = line.substr(0, bar);
    ++tasks;
  }
  if (!found.empty()) record_extension(*before, found, array_id(), tasks);
  return {found, {}};
}

// The array is sent; a record that fails must not be taken for a chain that was not extended.
void SlurmScheduler::record_extension(const rundir::Submission& before, const std::string& sent_id,
                                      const std::string& extended, std::size_t blocks) try {
  rundir::Submission submission = before;
  submission.array_id = sent_id;
  submission.blocks = blocks;
  submission.extends = extended;
  submission.submitted = clock_.wall_seconds();
  const rundir::Layout layout(run_directory_);
  rundir::write_submission(fs_, run_directory_, submission, rundir::permissions_of(fs_, layout));
} catch (const Error& error) {
  log_warning("array {} was sent, which could not be recorded: {}", sent_id, error.what());
}

// A trial goes on under its number, a block at a time; its siblings are left alone.
std::string SlurmScheduler::array_to_go_on(std::size_t blocks) const {
  const bool is_trial = is_chain_ == false && !job_.array_task.empty();
  return is_trial ? "--array=" + job_.array_task : chain_array(blocks);
}

std::string SlurmScheduler::line_to_extend(std::size_t blocks) {
  JobOptions options = {array_to_go_on(blocks)};
  if (const auto before = own_submission()) {
    options.insert(options.end(), before->options.begin(), before->options.end());
    const std::string line = submit_line(options, before->script, before->arguments);
    return before->working_directory.empty() ? line : fmt::format("cd {} && {}", shell_word(before->working_directory), line);
  }
  if (script_.empty()) return {};
  options.insert(options.end(), options_.begin(), options_.end());
  std::string line = "sbatch";
  for (const std::string& option : options) line += ' ' + shell_word(option);
  return line + ' ' + script_;   // as the controller tells it, its arguments included
}

}  // namespace ckpt::supervisor::slurm
