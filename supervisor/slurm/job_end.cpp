// SPDX-License-Identifier: Apache-2.0
#include "slurm/job_end.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.hpp"
#include "engine/policy.hpp"
#include "slurm/site.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr double ask_every_seconds = 60;
constexpr double first_failure_pause_seconds = 5, longest_failure_pause_seconds = 600;

// Not what a requeued successor may do on another node, nor "now" of a job that is being ended: the time until the kill
// that follows is the program's.
bool is_about_us(const Job& job, const JobEnvironment& us) {
  const bool runs = holds_nodes(job.state) && job.state != JobState::completing && job.state != JobState::stage_out;
  return job.id == us.id && runs && job.restarts.value_or(us.restart_count) == us.restart_count;
}

// Of a job without a limit Slurm tells no end, not even one that a preemption has brought.
std::optional<double> end_of(const Job& job) {
  if (!job.ends && job.limit_seconds == engine::no_limit) return engine::no_limit;
  return job.ends;
}

constexpr const char *preempted = "preempted", *cancelled = "cancelled with scancel";
constexpr double early_seconds = 60;                    // before its limit: Slurm does that up to half a minute late

std::string why_ended(const Job& job, const JobEnvironment& us) {
  if (job.preempted || job.state == JobState::preempted) return preempted;
  if (job.restarts.value_or(0) > us.restart_count) return "put back into the queue: requeued, or preempted without a grace";
  const bool ending = job.state == JobState::completing || job.state == JobState::cancelled;
  const bool early = job.started && job.ends && job.limit_seconds && *job.ends < *job.started + *job.limit_seconds - early_seconds;
  return ending && early ? cancelled : "";
}

}  // namespace

EndTime::EndTime(Clock& clock, JobEnvironment job)
    : clock_(clock), job_(std::move(job)), controller_ahead_seconds_(clock.wall_seconds() - now()),
      end_(engine::no_limit), whole_seconds_(engine::no_limit), next_ask_(now()),
      failure_pause_(first_failure_pause_seconds) {}

double EndTime::first_end() {
  if (!job_.end_ignored.empty())
    log_warning("SLURM_JOB_END_TIME is '{}', which is no time, and is ignored: the end of this job is what Slurm answers",
                job_.end_ignored);
  const Command asked = question_of(Asking::job);
  const Answer answer = ask_and_wait(Asking::job);
  const News news = take_job(answer);
  if (news == News::end_moved) take_clock(ask_and_wait(Asking::clock));
  if (!told_ && job_.end > 0) told_ = job_.end;
  if (!told_)
    log_warning("when this job ends is not known ({}): until Slurm tells it only --block-time, or a signal, stops the "
                "block in time", answer.ok() ? "Slurm's answer is not understood" : describe(asked, answer));
  if (told_) convert();
  moved_to_.reset();
  plan_next(news != News::not_understood);
  if (whole_seconds_ == engine::no_limit) whole_seconds_ = end_ - now();
  return end_;
}

Command EndTime::question_of(Asking asking) const {
  if (asking == Asking::clock) return question({"scontrol", "show", "config"});
  return scontrol_is_missing_ ? squeue_job_question(job_.id) : scontrol_job_question(job_.id);
}

Answer EndTime::ask_and_wait(Asking asking) {
  note_asked(asking);
  return slurm::run(clock_, question_of(asking), once(answer_seconds));
}

EndTime::News EndTime::take_job(const Answer& answer) {
  if (answer.ending == Ending::missing) nobody_to_ask_ = std::exchange(scontrol_is_missing_, true);
  const auto jobs = scontrol_is_missing_ ? parse_squeue_jobs(answer.output) : parse_scontrol_jobs(answer.output);
  note_why(jobs);
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& one) { return is_about_us(one, job_); });
  const std::optional<double> end = job == jobs.end() ? std::nullopt : end_of(*job);
  if (!end) return News::not_understood;
  if (whole_seconds_ == engine::no_limit && job->started) whole_seconds_ = *end - *job->started;
  if (std::exchange(told_, end) == end && clock_known_) return News::none;
  return News::end_moved;
}

bool EndTime::was_cancelled() const { return why_ == cancelled; }

void EndTime::note_why(const std::vector<Job>& jobs) {
  if (ask_again_ || why_ == preempted) return;   // this question was asked before it happened
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& one) { return one.id == job_.id; });
  why_ = job == jobs.end() ? std::string() : slurm::why_ended(*job, job_);
}

// Answered or not, the end is converted: by the clock as it was told last.
void EndTime::take_clock(const Answer& answer) {
  const auto skew = clock_skew(Configuration(answer.output), asked_wall_, asked_wall_ + answer.seconds);
  if (!skew) return;
  controller_ahead_seconds_ = asked_wall_ + *skew - asked_;
  if (!std::exchange(clock_known_, true) && std::abs(*skew) >= 1)
    log_info("the clock of Slurm's controller is {} s {} ours: allowed for", std::lround(std::abs(*skew)),
             *skew > 0 ? "ahead of" : "behind");
}

void EndTime::convert() {
  const double end = *told_ - controller_ahead_seconds_;
  if (end != end_) moved_to_ = end_ = end;
}

void EndTime::add_to(std::vector<pollfd>& polled) const {
  if (running_ && running_->fd() >= 0) polled.push_back({running_->fd(), POLLIN, 0});
}

double EndTime::next_look() const { return running_ ? running_->until() : next_ask_; }

std::optional<double> EndTime::look() {
  if (running_)
    if (const auto answer = running_->take()) {
      running_.reset();
      take_answer(*answer);
    }
  if (!running_ && now() >= next_ask_) ask(Asking::job);
  return std::exchange(moved_to_, std::nullopt);
}

void EndTime::note_asked(Asking asking) {
  asking_ = asking;
  asked_wall_ = clock_.wall_seconds();
  asked_ = now();
}

void EndTime::ask(Asking asking) {
  note_asked(asking);
  running_ = std::make_unique<RunningCommand>(clock_, question_of(asking), answer_seconds);
}

void EndTime::take_answer(const Answer& answer) {
  if (asking_ == Asking::clock) {
    take_clock(answer);
    convert();
    return plan_next(true);
  }
  const News news = take_job(answer);
  if (news == News::end_moved) return ask(Asking::clock);
  plan_next(news == News::none);
}

void EndTime::plan_next(bool understood) {
  if (understood) known_as_of_ = asked_;
  const double pause = understood ? ask_every_seconds : failure_pause_;
  failure_pause_ = understood ? first_failure_pause_seconds : std::min(2 * pause, longest_failure_pause_seconds);
  next_ask_ = std::exchange(ask_again_, false) ? now() : now() + pause;
  if (nobody_to_ask_) next_ask_ = engine::no_limit;
}

void EndTime::ask_soon() {
  failure_pause_ = first_failure_pause_seconds;
  if (why_ != preempted && !nobody_to_ask_) why_.reset();
  if (running_) ask_again_ = true;
  else if (!nobody_to_ask_) next_ask_ = now();
}

void EndTime::note_exit(pid_t pid, int wait_status) {
  if (running_ && running_->owns(pid)) running_->note_exit(wait_status);
}

}  // namespace ckpt::supervisor::slurm
