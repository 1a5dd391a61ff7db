// SPDX-License-Identifier: Apache-2.0
// The user's SBATCH_* variables. To sbatch they outrank a job script, also the one that was written for a plan, so none
// of them reaches a submission; what they ask for becomes options.
#pragma once

#include <string>
#include <vector>

#include "slurm/script.hpp"

namespace ckpt::supervisor::slurm {

// What is absent in `given`, as they say.
Resources with_settings(Resources given);
// The same for a user's own script, as sbatch would take them: its limit and its environment too. Inside a job they are
// the job's: none.
Resources with_settings_for_script(Resources given);
// One warning that names those which then hold for nothing.
void warn_about_settings_left_out(bool own_script);

}  // namespace ckpt::supervisor::slurm
