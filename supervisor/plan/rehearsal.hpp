// SPDX-License-Identifier: Apache-2.0
// Some epochs for real, in a run that is thrown away; its ledgers are kept, since the times are in them.
#pragma once

#include "base/clock.hpp"
#include "io/file_system.hpp"
#include "plan/job.hpp"
#include "plan/request.hpp"
#include "rundir/layout.hpp"

namespace ckpt::plan {

// Here and now: in a job, or on a machine of one's own. Throws CKPT_ERR_CONFIG on a login node, with the line to type,
// and when nothing could be measured.
void rehearse(io::FileSystem& fs, Clock& clock, const Request& request, const rundir::Layout& layout);

// The same as a short job; prints what was sent. Its result is in the job's log, and the times are in the run.
void submit_rehearsal(io::FileSystem& fs, Clock& clock, const Request& request, const Job& job);

// How long such a job may take when nobody says anything else.
constexpr double rehearsal_limit_seconds = 3600;

}  // namespace ckpt::plan
