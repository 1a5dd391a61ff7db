// SPDX-License-Identifier: Apache-2.0
// What the controller knows of a job: asked from scontrol, else squeue, and for what the controller has forgotten from
// the accounting, which many sites do not have.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "slurm/command.hpp"
#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {

enum class JobState {
  unknown,
  // not running, still to run
  pending, requeued, requeue_fed, requeue_hold, special_exit, resv_del_hold,
  // holds its nodes: processes may still run and write
  running, suspended, configuring, resizing, completing, signaling, stopped, stage_out,
  // over
  completed, cancelled, failed, timeout, node_fail, preempted, boot_fail, deadline, out_of_memory, revoked,
  launch_failed, reconfig_fail,
};
// "CANCELLED by 1001", "RUNNING", "RUNNING,COMPLETING": of several the one that says most about its processes.
JobState parse_state(std::string_view text);
bool is_waiting(JobState state) noexcept;
bool holds_nodes(JobState state) noexcept;
bool is_over(JobState state) noexcept;

struct Job {
  std::string id;                              // of this task; the array's own for its last one and those that wait
  std::string array_id;                        // empty: no array
  std::optional<TaskSet> tasks;                // those that this record stands for
  std::optional<std::uint64_t> throttle;       // "%1" is 1; nullopt or 0: none
  std::string name, user;
  JobState state = JobState::unknown;
  std::string reason;
  std::optional<std::uint64_t> restarts;
  bool requeue = false;                        // a node failure would put it back into the queue
  // Unix seconds of the controller's clock; of a job that waits, what the scheduler expects.
  std::optional<double> submitted, eligible, started, ends;
  std::optional<double> preempted;             // when Slurm decided that it has to make room
  std::optional<double> limit_seconds;         // infinity: none
  std::string partition, account, qos, nodes, dependency, work_directory, output, errors, command, comment;
  std::optional<ExitStatus> exit;
};

struct JobAnswer {
  enum class Kind {
    found,
    forgotten,    // the controller does not know the number (any more)
    silent,       // nobody answered
  };
  Kind kind = Kind::silent;
  std::vector<Job> jobs = {};                  // found: at least one
  std::string why = {};                        // silent: one line
  bool from_accounting = false;                // then forgotten by the controller
  bool nobody_to_ask = false;                  // silent: the commands are not in PATH

  bool found() const noexcept { return kind == Kind::found; }
};

std::vector<Job> parse_scontrol_jobs(std::string_view text);
std::vector<Job> parse_squeue_jobs(std::string_view text);
std::vector<Job> parse_sacct_jobs(std::string_view text);      // oldest first; a requeued job is there once per start

// The questions, for those who ask in the background.
Command scontrol_job_question(const std::string& id);
Command squeue_job_question(const std::string& id);
Command squeue_user_question(const std::string& user);
Command sacct_job_question(const std::string& id);

// `id` is a job's or task's own number; exactly that one. Without `accounting` nothing but the controller is asked.
JobAnswer show_job(Clock& clock, const std::string& id, const Attempts& attempts = {}, bool accounting = true);
// Every task of an array that the controller still knows.
JobAnswer show_array(Clock& clock, const std::string& array_id, const Attempts& attempts = {});
// Every job of a user that the controller still knows; found: none is an answer, too.
JobAnswer show_jobs_of(Clock& clock, const std::string& user, const Attempts& attempts = {});
// All starts of one job by the accounting, oldest first; silent where it does not work.
JobAnswer job_history(Clock& clock, const std::string& id, const Attempts& attempts = {});

}  // namespace ckpt::supervisor::slurm
