// SPDX-License-Identifier: Apache-2.0
// Asks for jobs; job_text.cpp reads the answers.
#include "slurm/job.hpp"

#include <algorithm>
#include <utility>

namespace ckpt::supervisor::slurm {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

bool is_number(const std::string& id) { return parse_number(id).has_value(); }

bool is_forgotten(const Answer& answer) {
  return answer.ending == Ending::failed && answer.errors.find("Invalid job id") != std::string::npos;
}

JobAnswer silent(std::string why) { return {.kind = JobAnswer::Kind::silent, .why = std::move(why)}; }

JobAnswer judge(const Command& command, const Answer& answer, std::vector<Job> jobs) {
  if (is_forgotten(answer)) return {.kind = JobAnswer::Kind::forgotten};
  if (!jobs.empty()) return {.kind = JobAnswer::Kind::found, .jobs = std::move(jobs)};
  return silent(answer.ok() ? command.words.front() + " answered with unknown text" : describe(command, answer));
}

JobAnswer ask_controller(Clock& clock, const std::string& id, const Attempts& attempts) {
  if (!is_number(id)) return silent("'" + id + "' is no number of a job");
  const Command scontrol = scontrol_job_question(id);
  const Answer told = run(clock, scontrol, attempts);
  JobAnswer first = judge(scontrol, told, parse_scontrol_jobs(told.output));
  if (first.kind != JobAnswer::Kind::silent || is_transient(told)) return first;
  const Command squeue = squeue_job_question(id);
  const Answer listed = run(clock, squeue, attempts);
  const JobAnswer second = judge(squeue, listed, parse_squeue_jobs(listed.output));
  first.nobody_to_ask = told.ending == Ending::missing && listed.ending == Ending::missing;
  return second.kind == JobAnswer::Kind::silent ? first : second;
}

// The number of an array shows all of its tasks. Where its own, the last one, is not among them, that one is forgotten.
void keep_only(JobAnswer& answer, const std::string& id) {
  const auto belongs = [&](const Job& job) { return job.id == id || job.array_id == id; };
  if (!std::all_of(answer.jobs.begin(), answer.jobs.end(), belongs)) answer = silent("Slurm told of another job");
  std::erase_if(answer.jobs, [&](const Job& job) { return job.id != id; });
  if (answer.found() && answer.jobs.empty()) answer.kind = JobAnswer::Kind::forgotten;
}

}  // namespace

JobAnswer show_array(Clock& clock, const std::string& array_id, const Attempts& attempts) {
  return ask_controller(clock, array_id, attempts);
}

JobAnswer show_jobs_of(Clock& clock, const std::string& user, const Attempts& attempts) {
  const Command command = squeue_user_question(user);
  const Answer told = run(clock, command, attempts);
  if (!told.ok()) return silent(describe(command, told));
  return {.kind = JobAnswer::Kind::found, .jobs = parse_squeue_jobs(told.output)};
}

JobAnswer show_job(Clock& clock, const std::string& id, const Attempts& attempts, bool accounting) {
  JobAnswer answer = ask_controller(clock, id, attempts);
  keep_only(answer, id);
  if (answer.kind != JobAnswer::Kind::forgotten || !accounting) return answer;
  JobAnswer history = job_history(clock, id, attempts);
  if (!history.found()) return answer;
  history.jobs.erase(history.jobs.begin(), history.jobs.end() - 1);
  return history;
}

JobAnswer job_history(Clock& clock, const std::string& id, const Attempts& attempts) {
  if (!is_number(id)) return silent("'" + id + "' is no number of a job");
  const Command command = sacct_job_question(id);
  const Answer told = run(clock, command, attempts);
  JobAnswer answer = judge(command, told, parse_sacct_jobs(told.output));
  keep_only(answer, id);
  std::stable_sort(answer.jobs.begin(), answer.jobs.end(), [](const Job& one, const Job& other) {
    return one.started.value_or(never) < other.started.value_or(never);
  });
  answer.from_accounting = true;
  return answer;
}

}  // namespace ckpt::supervisor::slurm
