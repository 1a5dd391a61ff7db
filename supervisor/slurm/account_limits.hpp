// SPDX-License-Identifier: Apache-2.0
// How many jobs this user may have, by the accounting (sacctmgr), which many sites do not have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "slurm/command.hpp"

namespace ckpt::supervisor::slurm {

// One association of this user, or one quality of service; absent: no limit of its own.
struct LimitSet {
  std::string name;                          // "account physics", "QOS normal"
  std::optional<std::uint64_t> max_jobs;     // that run at once
  std::optional<std::uint64_t> max_submitted;   // that run or wait: each task of an array counts
  std::optional<double> longest_seconds;     // of one job
  std::optional<double> grace_seconds;       // before a preemption
};

struct AccountLimits {
  std::vector<LimitSet> associations;        // of this user; a job has one of them
  std::vector<LimitSet> qos;                 // that they may use; a job has one of these, too
  std::string why_not;                       // one line, when nobody answered
};

// Lines of "sacctmgr -nP": Account|MaxJobs|MaxSubmit|MaxWall|QOS and Name|MaxJobsPU|MaxSubmitPU|MaxWall|GraceTime.
std::vector<LimitSet> parse_associations(std::string_view text, std::vector<std::string>& usable_qos);
std::vector<LimitSet> parse_qos(std::string_view text, const std::vector<std::string>& usable);

AccountLimits ask_account_limits(Clock& clock, const std::string& user, const Attempts& attempts = {});

}  // namespace ckpt::supervisor::slurm
