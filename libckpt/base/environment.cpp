// SPDX-License-Identifier: Apache-2.0
#include "base/environment.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.hpp"

namespace ckpt {
namespace {

// Decimal digits and nothing else.
std::uint64_t number_or(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

constexpr std::uint64_t earliest_end = 1'000'000'000, latest_end = 100'000'000'000;  // the years 2001 and 5138

void read_end(JobEnvironment& job) {
  const std::string text = environment_variable("SLURM_JOB_END_TIME");
  const std::uint64_t end = number_or(text, 0);
  if (end >= earliest_end && end <= latest_end)
    job.end = static_cast<double>(end);
  else
    job.end_ignored = text;
}

}  // namespace

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

RunEnvironment read_run_environment() {
  return {environment_variable("CKPT_RUN"), environment_variable("CKPT_RUN_DIR"), environment_variable("CKPT_BLOCK"),
          environment_variable("CKPT_STATION"), environment_variable("CKPT_STAGING_SIZE"),
          environment_variable("CKPT_OVERRIDE")};
}

JobEnvironment read_job_environment() {
  JobEnvironment job;
  job.id = environment_variable("SLURM_JOB_ID");
  job.name = environment_variable("SLURM_JOB_NAME");
  job.array_id = environment_variable("SLURM_ARRAY_JOB_ID");
  job.array_task = environment_variable("SLURM_ARRAY_TASK_ID");
  job.array_last = environment_variable("SLURM_ARRAY_TASK_MAX");
  job.cluster = environment_variable("SLURM_CLUSTER_NAME");
  job.node = environment_variable("SLURMD_NODENAME");
  job.restart_count = number_or(environment_variable("SLURM_RESTART_COUNT"), 0);
  job.nodes = number_or(environment_variable("SLURM_JOB_NUM_NODES"), 1);
  read_end(job);
  return job;
}

NodeDisk read_node_disk() {
  for (const char* name : {"SLURM_TMPDIR", "LOCAL_SCRATCH"})
    if (std::string directory = environment_variable(name); !directory.empty()) return {directory, true};
  const std::string temporary = environment_variable("TMPDIR");
  return {temporary.empty() ? "/tmp" : temporary, false};
}

std::uint64_t started_side_by_side() {
  // SLURM_NTASKS is not among them: a batch script has it too, before any srun.
  std::uint64_t most = 1;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS"})
    most = std::max(most, number_or(environment_variable(name), 0));
  return most;
}

// The largest word counts: below "srun --ntasks=1 torchrun" there are torchrun's ranks.
std::uint64_t world_size() {
  return std::max(started_side_by_side(), number_or(environment_variable("WORLD_SIZE"), 0));
}

std::string replace_variables(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t open = text.find('{', at);
    std::size_t close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) return result + text.substr(at);
    const std::string name = text.substr(open + 1, close - open - 1);
    const std::string value = environment_variable(name.c_str());
    if (value.empty()) fail(CKPT_ERR_CONFIG, "'{}' names the variable {}, which is not set", text, name);
    result += text.substr(at, open - at) + value;
    at = close + 1;
  }
  return result;
}

}  // namespace ckpt
