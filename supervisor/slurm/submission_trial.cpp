// SPDX-License-Identifier: Apache-2.0
#include "slurm/submission_trial.hpp"

namespace ckpt::supervisor::slurm {

SubmissionTrial try_submission(Clock& clock, const Attempts& attempts) {
  const Command command = submission({"sbatch", "--test-only", "--time=1", "--wrap=true"});
  const Answer answer = run(clock, command, attempts);
  return answer.ok() ? SubmissionTrial{true, {}} : SubmissionTrial{false, describe(command, answer)};
}

}  // namespace ckpt::supervisor::slurm
