// SPDX-License-Identifier: Apache-2.0
// Runs belong on scratch. Where the preset of the site knows it, ./ckpt-runs becomes a link to a folder there, so that
// ckptrun, ckpt and people find the runs where they always are: beside the code.
#pragma once

#include "plan/job.hpp"
#include "plan/provisional.hpp"
#include "plan/request.hpp"

namespace ckpt::plan {

// Moves the job's run there, if it stands in ./ckpt-runs and that is a link, or not there yet. Nothing is made.
void place_run(const Request& request, Job& job);
// What place_run has decided, on disk.
void make_runs_folder(const Job& job, Provisional& made);

}  // namespace ckpt::plan
