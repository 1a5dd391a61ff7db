// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {
namespace {

using Check = Finding (*)(const Facts&);

constexpr Check checks_of_slurm[] = {
    check_signals_of_exec, check_signals_without_exec, check_signals_of_steps, check_launcher, check_time_limit,
    check_long_limits, check_kill_wait, check_over_time_limit, check_requeue, check_preemption, check_array_size,
    check_job_limits, check_submission_from_jobs, check_controller_clock};
constexpr Check checks_of_this_place[] = {
    check_file_system, check_links, check_directory_sync, check_direct_writes, check_space, check_quota, check_purge,
    check_file_server_clock, check_memory, check_io_uring};

Finding no_slurm(const Facts& facts) {
  if (facts.place.place == slurm::Place::elsewhere)
    return unknown("Slurm", fmt::format("none works here ({}): ckptrun runs a chain on this machine, block after block; of "
                                        "signals, limits and the queue nothing could be asked", facts.place.why));
  return unknown("Slurm", fmt::format("it did not answer ({}): try again later", facts.site.why_not));
}

}  // namespace

const char* name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::good: return "good";
    case Verdict::warning: return "warning";
    case Verdict::unknown: return "not known";
  }
  return "";
}

Findings examine(const Facts& facts) {
  Findings findings;
  if (!facts.has_slurm()) findings.push_back(no_slurm(facts));
  else for (const Check check : checks_of_slurm) findings.push_back(check(facts));
  for (const Check check : checks_of_this_place) findings.push_back(check(facts));
  return findings;
}

}  // namespace ckpt::supervisor::doctor
