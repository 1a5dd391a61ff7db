// SPDX-License-Identifier: Apache-2.0
// Each check looks at the facts and says one thing. Pure, but for the words.
#pragma once

#include "doctor/facts.hpp"
#include "doctor/finding.hpp"

namespace ckpt::supervisor::doctor {

// Who receives which signal before and at the limit.
Finding check_signals_of_exec(const Facts& facts);
Finding check_signals_without_exec(const Facts& facts);
Finding check_signals_of_steps(const Facts& facts);
Finding check_launcher(const Facts& facts);

// What Slurm does with time.
Finding check_time_limit(const Facts& facts);
Finding check_long_limits(const Facts& facts);
Finding check_kill_wait(const Facts& facts);
Finding check_over_time_limit(const Facts& facts);
Finding check_requeue(const Facts& facts);
Finding check_preemption(const Facts& facts);
Finding check_controller_clock(const Facts& facts);

// How many jobs it takes, and from where.
Finding check_array_size(const Facts& facts);
Finding check_job_limits(const Facts& facts);
Finding check_submission_from_jobs(const Facts& facts);

// The place of the snapshots.
Finding check_file_system(const Facts& facts);
Finding check_links(const Facts& facts);
Finding check_directory_sync(const Facts& facts);
Finding check_direct_writes(const Facts& facts);
Finding check_space(const Facts& facts);
Finding check_quota(const Facts& facts);
Finding check_purge(const Facts& facts);
Finding check_file_server_clock(const Facts& facts);

// The machine.
Finding check_memory(const Facts& facts);
Finding check_io_uring(const Facts& facts);

// All of them that apply here, in this order.
Findings examine(const Facts& facts);

}  // namespace ckpt::supervisor::doctor
