// SPDX-License-Identifier: Apache-2.0
#include "base/environment.hpp"

#include <cstdlib>

#include "base/error.hpp"

namespace ckpt {
namespace {

std::uint64_t number_or(const std::string& text, std::uint64_t otherwise) {
  char* end = nullptr;
  unsigned long long value = std::strtoull(text.c_str(), &end, 10);
  return text.empty() || *end != '\0' ? otherwise : value;
}

}  // namespace

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

RunEnvironment read_run_environment() {
  return {environment_variable("CKPT_RUN"), environment_variable("CKPT_RUN_DIR"), environment_variable("CKPT_BLOCK"),
          environment_variable("CKPT_STATION"), environment_variable("CKPT_STAGING_SIZE")};
}

JobEnvironment read_job_environment() {
  JobEnvironment job;
  job.id = environment_variable("SLURM_JOB_ID");
  job.name = environment_variable("SLURM_JOB_NAME");
  job.array_id = environment_variable("SLURM_ARRAY_JOB_ID");
  job.array_task = environment_variable("SLURM_ARRAY_TASK_ID");
  job.restart_count = number_or(environment_variable("SLURM_RESTART_COUNT"), 0);
  return job;
}

std::uint64_t world_size() {
  // SLURM_NTASKS is not among them: a batch script has it too, before any srun.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE"}) {
    if (std::uint64_t size = number_or(environment_variable(name), 0); size > 0) return size;
  }
  return 1;
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
