// SPDX-License-Identifier: Apache-2.0
#include "slurm/owner.hpp"

#include "slurm/site.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr double fresh_seconds = 2;
constexpr double clocks_differ_seconds = 3600;     // at most, between a controller and its nodes

// Numbers begin anew where a cluster was set up anew. A requeue renews the time of submission, and counts as a restart.
bool is_another_job(const rundir::Claim& claim, const Job& job) {
  return job.restarts.value_or(claim.restart_count) < claim.restart_count ||
         (job.restarts == claim.restart_count && job.submitted && claim.claimed > 0 &&
          *job.submitted > claim.claimed + clocks_differ_seconds);
}

const Job* job_of_claim(const rundir::Claim& claim, const JobAnswer& answer) {
  if (!answer.found() || is_another_job(claim, answer.jobs.front())) return nullptr;
  return &answer.jobs.front();
}

JobEnd end_of(JobState state) {
  switch (state) {
    case JobState::node_fail:
    case JobState::boot_fail: return JobEnd::node_failed;
    case JobState::preempted: return JobEnd::preempted;
    case JobState::requeued:
    case JobState::requeue_fed:
    case JobState::requeue_hold: return JobEnd::requeued;
    case JobState::cancelled:
    case JobState::revoked: return JobEnd::cancelled;
    case JobState::timeout:
    case JobState::deadline: return JobEnd::timeout;
    case JobState::out_of_memory: return JobEnd::out_of_memory;
    case JobState::failed:
    case JobState::launch_failed: return JobEnd::failed;
    case JobState::completed: return JobEnd::completed;
    default: return JobEnd::unknown;
  }
}

}  // namespace

OwnerState judge_owner(const rundir::Claim& claim, const JobAnswer& answer, const std::string& our_user) {
  if (answer.kind == JobAnswer::Kind::silent) return OwnerState::unknown;
  const Job* job = job_of_claim(claim, answer);
  // A controller may hide other people's jobs; then theirs look forgotten.
  if (!job) return claim.who.user == our_user ? OwnerState::gone : OwnerState::unknown;
  const std::uint64_t restarts = job->restarts.value_or(claim.restart_count);
  // While a requeue still ends what runs, the restart is counted already.
  const bool ending = restarts == claim.restart_count + 1 && job->state == JobState::completing;
  if (restarts > claim.restart_count && !ending) return OwnerState::gone;
  if (holds_nodes(job->state)) return OwnerState::alive;
  return is_over(job->state) || is_waiting(job->state) ? OwnerState::gone : OwnerState::unknown;
}

JobEnd judge_end(const rundir::Claim& claim, const JobAnswer& controller, const JobAnswer& accounting) {
  const Job* job = job_of_claim(claim, controller);
  const bool started_anew = job && job->restarts.value_or(0) > claim.restart_count;
  if (job && !started_anew && is_over(job->state)) return end_of(job->state);
  if (accounting.found() && accounting.jobs.size() > claim.restart_count) {
    const JobState state = accounting.jobs[claim.restart_count].state;
    if (is_over(state) || state == JobState::requeued) return end_of(state);
  }
  return started_anew ? JobEnd::requeued : JobEnd::unknown;
}

OwnerState Owners::state(const rundir::Claim& claim, const ProcessIdentity& who) {
  const OwnerState local = local_owner_state(who);
  if (local != OwnerState::unknown || claim.job_id.empty() || !is_of_our_cluster(claim)) return local;
  return judge_owner(claim, ask(claim.job_id), identify_self().user);
}

JobEnd Owners::how_ended(const rundir::Claim& claim) {
  if (claim.job_id.empty() || !is_of_our_cluster(claim)) return JobEnd::unknown;
  const JobAnswer& controller = ask(claim.job_id);
  const JobEnd told = judge_end(claim, controller, {});
  if (told != JobEnd::unknown && told != JobEnd::requeued) return told;
  return judge_end(claim, controller, job_history(clock_, claim.job_id, once(answer_seconds)));
}

bool Owners::is_of_our_cluster(const rundir::Claim& claim) {
  if (cluster_.empty() && !claim.cluster.empty()) {
    const Answer answer = run(clock_, question({"scontrol", "show", "config"}), once(answer_seconds));
    cluster_ = Configuration(answer.output).cluster();
  }
  return claim.cluster == cluster_;
}

const JobAnswer& Owners::ask(const std::string& job_id) {
  const double now = clock_.monotonic_seconds();
  if (job_id == asked_id_ && now - asked_ < fresh_seconds) return answer_;
  asked_id_ = job_id;
  asked_ = now;
  answer_ = show_job(clock_, job_id, once(answer_seconds), false);
  return answer_;
}

}  // namespace ckpt::supervisor::slurm
