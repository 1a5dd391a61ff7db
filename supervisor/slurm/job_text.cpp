// SPDX-License-Identifier: Apache-2.0
// What is asked of each command, and how its answer is read.
#include "slurm/job.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ckpt::supervisor::slurm {
namespace {

// The user's words last, since they may hold the separator.
constexpr const char* squeue_format = "%A|%F|%K|%T|%r|%S|%e|%V|%l|%P|%a|%q|%u|%N|%Z|%j";
constexpr std::size_t squeue_fields = 16;
constexpr const char* sacct_format =
    "JobIDRaw,JobID,State,ExitCode,Submit,Start,End,Timelimit,Partition,Account,QOS,User,NodeList,JobName";
constexpr std::size_t sacct_fields = 14;

constexpr std::array state_names = {
    std::pair{"COMPLETING", JobState::completing},     std::pair{"PENDING", JobState::pending},
    std::pair{"RUNNING", JobState::running},           std::pair{"SUSPENDED", JobState::suspended},
    std::pair{"CONFIGURING", JobState::configuring},   std::pair{"RESIZING", JobState::resizing},
    std::pair{"SIGNALING", JobState::signaling},       std::pair{"STOPPED", JobState::stopped},
    std::pair{"STAGE_OUT", JobState::stage_out},       std::pair{"REQUEUED", JobState::requeued},
    std::pair{"REQUEUE_FED", JobState::requeue_fed},   std::pair{"REQUEUE_HOLD", JobState::requeue_hold},
    std::pair{"SPECIAL_EXIT", JobState::special_exit}, std::pair{"RESV_DEL_HOLD", JobState::resv_del_hold},
    std::pair{"COMPLETED", JobState::completed},       std::pair{"CANCELLED", JobState::cancelled},
    std::pair{"FAILED", JobState::failed},             std::pair{"TIMEOUT", JobState::timeout},
    std::pair{"NODE_FAIL", JobState::node_fail},       std::pair{"PREEMPTED", JobState::preempted},
    std::pair{"BOOT_FAIL", JobState::boot_fail},       std::pair{"DEADLINE", JobState::deadline},
    std::pair{"OUT_OF_MEMORY", JobState::out_of_memory}, std::pair{"REVOKED", JobState::revoked},
    std::pair{"LAUNCH_FAILED", JobState::launch_failed}, std::pair{"RECONFIG_FAIL", JobState::reconfig_fail}};

JobState one_state(std::string_view word) {
  const auto is_it = [&](const auto& entry) { return word == entry.first; };
  const auto found = std::find_if(state_names.begin(), state_names.end(), is_it);
  return found == state_names.end() ? JobState::unknown : found->second;
}

std::string text(std::string_view value) {
  return value == "(null)" || value == "N/A" || value == "None assigned" ? std::string() : std::string(value);
}

Job job_of(const Record& record) {
  Job job;
  job.id = record.value("JobId");
  job.array_id = record.value("ArrayJobId");
  job.tasks = TaskSet::parse(record.value("ArrayTaskId"));
  job.throttle = record.number("ArrayTaskThrottle");
  job.name = record.value_before("JobName", "UserId");
  job.user = record.value("UserId").substr(0, record.value("UserId").find('('));
  job.state = parse_state(record.value("JobState"));
  job.reason = record.value("Reason");
  job.restarts = record.number("Restarts");
  job.requeue = record.value("Requeue") == "1";
  job.submitted = parse_time(record.value("SubmitTime"));
  job.eligible = parse_time(record.value("EligibleTime"));
  job.started = parse_time(record.value("StartTime"));
  job.ends = parse_time(record.value("EndTime"));
  job.preempted = parse_time(record.value("PreemptTime"));
  job.limit_seconds = parse_span(record.value("TimeLimit"));
  job.partition = record.value("Partition");
  job.account = record.value("Account");
  job.qos = record.value("QOS");
  job.nodes = record.value("NodeList");
  job.dependency = record.value("Dependency");
  job.work_directory = record.value("WorkDir");
  job.output = record.value("StdOut");
  job.errors = record.value("StdErr");
  job.command = record.value("Command");
  job.comment = record.value("Comment");
  job.exit = parse_exit_status(record.value("ExitCode"));
  return job;
}

// The last field takes the rest, separators included.
std::vector<std::string_view> fields_of(std::string_view line, std::size_t count) {
  std::vector<std::string_view> fields;
  while (fields.size() + 1 < count) {
    const std::size_t end = line.find('|');
    if (end == std::string_view::npos) return {};
    fields.push_back(line.substr(0, end));
    line.remove_prefix(end + 1);
  }
  fields.push_back(line);
  return parse_number(fields.front()) ? fields : std::vector<std::string_view>{};
}

}  // namespace

JobState parse_state(std::string_view text) {
  JobState result = JobState::unknown;
  for (const std::string_view part : split(text, ',')) {
    const JobState state = one_state(part.substr(0, part.find_first_of(" +")));
    if (result == JobState::unknown || holds_nodes(state)) result = state;
  }
  return result;
}

bool is_waiting(JobState state) noexcept { return state >= JobState::pending && state <= JobState::resv_del_hold; }
bool holds_nodes(JobState state) noexcept { return state >= JobState::running && state <= JobState::stage_out; }
bool is_over(JobState state) noexcept { return state >= JobState::completed; }

Command scontrol_job_question(const std::string& id) { return question({"scontrol", "show", "job", "-o", id}); }

Command squeue_job_question(const std::string& id) {
  return question({"squeue", "-h", "-r", "-t", "all", "-j", id, "-o", squeue_format});
}

Command squeue_user_question(const std::string& user) {
  return question({"squeue", "-h", "-r", "-t", "all", "-u", user, "-o", squeue_format});
}

Command sacct_job_question(const std::string& id) {
  return question({"sacct", "-X", "-D", "-n", "-P", "-j", id, "--format", sacct_format});
}

std::vector<Job> parse_scontrol_jobs(std::string_view text) {
  std::vector<Job> jobs;
  for (const Record& record : records(text, "JobId")) jobs.push_back(job_of(record));
  return jobs;
}

std::vector<Job> parse_squeue_jobs(std::string_view output) {
  std::vector<Job> jobs;
  for (const std::string_view line : lines_of(output)) {
    const auto field = fields_of(line, squeue_fields);
    if (field.empty()) continue;
    Job job;
    job.id = field[0];
    job.tasks = TaskSet::parse(field[2]);
    if (job.tasks) job.array_id = field[1], job.throttle = job.tasks->throttle();
    job.state = parse_state(field[3]);
    job.reason = text(field[4]);
    job.started = parse_time(field[5]);
    job.ends = parse_time(field[6]);
    job.submitted = parse_time(field[7]);
    job.limit_seconds = parse_span(field[8]);
    job.partition = text(field[9]);
    job.account = text(field[10]);
    job.qos = text(field[11]);
    job.user = text(field[12]);
    job.nodes = text(field[13]);
    job.work_directory = text(field[14]);
    job.name = text(field[15]);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<Job> parse_sacct_jobs(std::string_view output) {
  std::vector<Job> jobs;
  for (const std::string_view line : lines_of(output)) {
    const auto field = fields_of(line, sacct_fields);
    if (field.empty()) continue;
    Job job;
    job.id = field[0];
    if (const std::size_t underscore = field[1].find('_'); underscore != std::string_view::npos) {
      job.array_id = field[1].substr(0, underscore);
      job.tasks = TaskSet::parse(field[1].substr(underscore + 1));
    }
    job.state = parse_state(field[2]);
    job.exit = parse_exit_status(field[3]);
    job.submitted = parse_time(field[4]);
    job.started = parse_time(field[5]);
    job.ends = parse_time(field[6]);
    job.limit_seconds = parse_span(field[7]);
    job.partition = text(field[8]);
    job.account = text(field[9]);
    job.qos = text(field[10]);
    job.user = text(field[11]);
    job.nodes = text(field[12]);
    job.name = text(field[13]);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

}  // namespace ckpt::supervisor::slurm
