// SPDX-License-Identifier: Apache-2.0
// When Slurm will kill this job. Asked once in the beginning, then beside the running program: once a minute, at once
// after a signal (a preemption shortens the end and says so only by that), ever more rarely while Slurm is silent.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "block/end_source.hpp"
#include "slurm/command.hpp"
#include "slurm/job.hpp"

namespace ckpt::supervisor::slurm {

class EndTime : public EndSource {
 public:
  EndTime(Clock& clock, JobEnvironment job);

  // From SLURM_JOB_END_TIME where Slurm does not answer; infinity where that is not set either, until look() tells.
  double first_end() override;
  double whole_seconds() const override { return whole_seconds_; }

  double known_end() const override { return end_; }
  void add_to(std::vector<pollfd>& polled) const override;
  double next_look() const override;
  std::optional<double> look() override;
  void ask_soon() override;
  std::optional<std::string> why_ended() const override { return why_; }
  bool was_cancelled() const;
  double known_as_of() const override { return known_as_of_; }
  void note_exit(pid_t pid, int wait_status) override;

 private:
  enum class Asking { job, clock };            // the controller's, to convert what it said of the job
  enum class News { none, end_moved, not_understood };

  double now() const { return clock_.monotonic_seconds(); }
  Command question_of(Asking asking) const;
  Answer ask_and_wait(Asking asking);
  News take_job(const Answer& answer);
  void note_why(const std::vector<Job>& jobs);
  void take_clock(const Answer& answer);
  void convert();
  void note_asked(Asking asking);
  void ask(Asking asking);
  void take_answer(const Answer& answer);
  void plan_next(bool understood);

  Clock& clock_;
  JobEnvironment job_;
  std::optional<double> told_;                 // the end by the controller's clock
  double controller_ahead_seconds_;            // of our monotonic clock: jumps of our wall clock move nothing
  bool clock_known_ = false;
  double end_, whole_seconds_;
  std::optional<double> moved_to_;

  Asking asking_ = Asking::job;
  std::unique_ptr<RunningCommand> running_;
  double asked_wall_ = 0, asked_ = 0;
  double known_as_of_ = -std::numeric_limits<double>::infinity();
  double next_ask_, failure_pause_;
  std::optional<std::string> why_ = std::string();   // once preempted, for ever: Slurm forgets it when it requeues the job
  bool ask_again_ = false;                     // something happened while a question was under way
  bool scontrol_is_missing_ = false, nobody_to_ask_ = false;
};

}  // namespace ckpt::supervisor::slurm
