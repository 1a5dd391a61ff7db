// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "slurm/command.hpp"
#include "slurm/script.hpp"

namespace ckpt::supervisor::slurm {

struct Submitted {
  std::string job_id;   // of the array, or the job; empty: nothing was sent, as far as is known
  std::string cluster;  // of several
  bool refused = false; // surely nothing was sent
  std::string said;     // its warnings, or what went wrong; one line
  bool ok() const noexcept { return !job_id.empty(); }
  // "nothing was submitted: …", where that is sure.
  std::string why_not() const;
};

// Once: an answer that was lost may still have been a submission, and a chain sent twice runs twice.
// Runs in `directory`; empty: here. sbatch itself tries for a minute.
constexpr double submission_seconds = 120;
Submitted submit_job(Clock& clock, const JobOptions& options, const std::string& script,
                     const std::vector<std::string>& arguments, const std::string& directory = {},
                     const Attempts& attempts = once(submission_seconds));
// Empty: jobs can be sent from here; else why not.
std::string no_way_to_submit();
// The same as a person would type it.
std::string submit_line(const JobOptions& options, const std::string& script,
                        const std::vector<std::string>& arguments);
// "scancel 4711 4712"
std::string cancel_line(const std::vector<std::string>& job_ids);

}  // namespace ckpt::supervisor::slurm
