// SPDX-License-Identifier: Apache-2.0
#include "slurm/onlooker.hpp"

#include <algorithm>

#include "slurm/owner.hpp"
#include "slurm/scheduler.hpp"
#include "slurm/site.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr double good_for_seconds = 30;
constexpr Attempts little_patience = once(5);
constexpr Attempts patience = once(10);        // where something is to be done

// As that job would see it.
JobEnvironment environment_of(const rundir::Claim& claim) {
  JobEnvironment job;
  job.id = claim.job_id;
  job.array_id = claim.array_id;
  job.array_task = claim.array_task;
  job.cluster = claim.cluster;
  job.restart_count = claim.restart_count;
  return job;
}

SlurmScheduler scheduler_of(io::FileSystem& fs, Clock& clock, const rundir::Layout& layout, const rundir::Claim& claim,
                            const Attempts& attempts) {
  SlurmScheduler scheduler(fs, clock, environment_of(claim), attempts);
  scheduler.only_look();
  scheduler.set_run_directory(layout.directory());
  return scheduler;
}

}  // namespace

bool Onlooker::is_fresh(double asked) const { return clock_.monotonic_seconds() - asked < good_for_seconds; }

bool Onlooker::may_ask(const rundir::Claim& claim) {
  if (claim.job_id.empty() || (silent_ && is_fresh(*silent_))) return false;
  return is_of_this_cluster(claim.cluster);
}

// A job's number means nothing elsewhere.
bool Onlooker::is_of_this_cluster(const std::string& cluster) {
  if (!cluster_) {
    const Answer answer = run(clock_, question({"scontrol", "show", "config"}), little_patience);
    if (answer.ok()) cluster_ = Configuration(answer.output).cluster();
    else note_silence();
  }
  return cluster_ && (cluster.empty() || cluster == *cluster_);
}

OwnerState Onlooker::owner_state(const rundir::Claim& claim, const ProcessIdentity& who) {
  const OwnerState local = local_owner_state(who);
  if (local != OwnerState::unknown) return local;
  const auto known = owners_.find(claim.job_id);
  if (known != owners_.end() && is_fresh(known->second.asked)) return known->second.value;
  if (!may_ask(claim)) return OwnerState::unknown;
  const JobAnswer answer = show_job(clock_, claim.job_id, little_patience, false);
  if (answer.kind == JobAnswer::Kind::silent) note_silence();
  const OwnerState state = judge_owner(claim, answer, identify_self().user);
  owners_[claim.job_id] = {clock_.monotonic_seconds(), state};
  return state;
}

const JobAnswer& Onlooker::jobs_of_user(const std::string& user) {
  const auto known = jobs_.find(user);
  if (known != jobs_.end() && is_fresh(known->second.asked)) return known->second.value;
  JobAnswer answer = show_jobs_of(clock_, user, little_patience);
  if (answer.kind == JobAnswer::Kind::silent) note_silence();
  return (jobs_[user] = {clock_.monotonic_seconds(), std::move(answer)}).value;
}

OwnerState Onlooker::owner_state_among_many(const rundir::Claim& claim, const ProcessIdentity& who) {
  const OwnerState local = local_owner_state(who);
  if (local != OwnerState::unknown || !may_ask(claim)) return local;
  JobAnswer answer = jobs_of_user(claim.who.user);
  std::erase_if(answer.jobs, [&](const Job& job) { return job.id != claim.job_id; });
  if (answer.found() && answer.jobs.empty()) answer.kind = JobAnswer::Kind::forgotten;
  return judge_owner(claim, answer, identify_self().user);
}

std::optional<QueueFacts> Onlooker::queue(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim) {
  const auto known = queues_.find(claim.job_id);
  if (known != queues_.end() && is_fresh(known->second.asked)) return known->second.value;
  if (!may_ask(claim)) return std::nullopt;
  const QueueFacts facts = scheduler_of(fs, clock_, layout, claim, little_patience).queue();
  if (!facts.waiting) {
    note_silence();
    return std::nullopt;
  }
  return (queues_[claim.job_id] = {clock_.monotonic_seconds(), facts}).value;
}

bool Onlooker::is_over(const rundir::Claim& claim) {
  if (!may_ask(claim)) return false;
  const JobAnswer answer = show_array(clock_, claim.array_id, little_patience);
  if (answer.kind == JobAnswer::Kind::silent) note_silence();
  if (!answer.found()) return answer.kind == JobAnswer::Kind::forgotten;
  return std::ranges::all_of(answer.jobs, [](const Job& job) { return slurm::is_over(job.state); });
}

std::string Onlooker::line_to_go_on(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim,
                                    std::size_t blocks) {
  if (!may_ask(claim)) return {};
  SlurmScheduler scheduler = scheduler_of(fs, clock_, layout, claim, little_patience);
  if (!scheduler.queue().waiting) note_silence();
  return scheduler.line_to_extend(blocks);
}

std::string Onlooker::cancel_waiting(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Claim& claim) {
  queues_.clear();
  return scheduler_of(fs, clock_, layout, claim, patience).cancel_waiting();
}

rundir::Claim claim_of_array(const std::string& array_id, const std::string& cluster) {
  rundir::Claim claim;
  claim.job_id = claim.array_id = array_id;
  claim.cluster = cluster;
  return claim;
}

}  // namespace ckpt::supervisor::slurm
