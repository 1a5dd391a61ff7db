// SPDX-License-Identifier: Apache-2.0
// Slurm as the chain sees it, from inside a job.
#pragma once

#include <string>
#include <vector>

#include "base/environment.hpp"
#include "chain/scheduler.hpp"
#include "io/file_system.hpp"
#include "rundir/submissions.hpp"
#include "slurm/job_end.hpp"
#include "slurm/owner.hpp"
#include "slurm/script.hpp"

namespace ckpt::supervisor::slurm {

class SlurmScheduler : public Scheduler {
 public:
  // `attempts`: how patiently it asks; default: as a block does that has to decide.
  SlurmScheduler(io::FileSystem& fs, Clock& clock, JobEnvironment job,
                 const Attempts& attempts = {.count = 3, .timeout_seconds = 10});
  // From outside of the job: nothing is recorded, and its script is not asked for.
  void only_look() { only_looks_ = true; }
  // Where submissions/ is (of a sweep: one folder above). Before, queue() knows this array alone, and nothing is sent.
  void set_run_directory(std::string directory) { run_directory_ = std::move(directory); }

  OwnerState owner_state(const rundir::Claim& claim, const ProcessIdentity& who) override;
  JobEnd how_ended(const rundir::Claim& claim) override;
  QueueFacts queue() override;
  // What queue() did not say it may say later: Slurm was silent.
  bool may_answer_later() const noexcept { return was_silent_; }
  void limit_questions(double until) override { patient_.until = until; }
  std::string cancel_waiting() override;
  Extension extend(std::size_t blocks) override;
  Extension find_extension() override;
  std::string line_to_extend(std::size_t blocks) override;
  EndSource& end() override { return end_; }

 private:
  std::string array_id() const { return job_.array_id.empty() ? job_.id : job_.array_id; }
  std::string comment_of_extension() const;
  std::string array_to_go_on(std::size_t blocks) const;
  std::optional<rundir::Submission> own_submission() const;
  std::vector<std::string> other_arrays() const;
  JobAnswer look_at_own_array();
  bool may_be_the_last() const;
  std::optional<std::size_t> waiting_in(const JobAnswer& answer) const;
  std::vector<std::string> cancel_words() const;
  std::string script_text();
  void record_if_it_extends(const std::vector<Job>& own);
  void record_extension(const rundir::Submission& before, const std::string& sent_id, const std::string& extended,
                        std::size_t blocks);

  io::FileSystem& fs_;
  Clock& clock_;
  JobEnvironment job_;
  Attempts patient_;
  std::string run_directory_;
  bool only_looks_ = false;
  Owners owners_;
  EndTime end_;
  std::optional<bool> is_chain_;
  bool was_silent_ = false;
  std::vector<std::string> arrays_to_cancel_;
  std::string comment_;                  // of this job
  std::string script_ = "JOB_SCRIPT";    // of this job, as the controller tells it; empty: salloc, --wrap
  JobOptions options_;                   // that make the same job of it, whatever was said to its sbatch
};

// The arrays that continue one another, `array_id` among them.
std::vector<std::string> arrays_of_chain(const std::vector<rundir::Submission>& submissions,
                                         const std::string& array_id);

}  // namespace ckpt::supervisor::slurm
