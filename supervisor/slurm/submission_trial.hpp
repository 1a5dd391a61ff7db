// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "slurm/command.hpp"

namespace ckpt::supervisor::slurm {

// Would a job be taken that is sent from here? Nothing is sent.
struct SubmissionTrial {
  bool works = false;
  std::string why_not;   // one line
};
SubmissionTrial try_submission(Clock& clock, const Attempts& attempts = {});

}  // namespace ckpt::supervisor::slurm
