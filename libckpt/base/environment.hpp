// SPDX-License-Identifier: Apache-2.0
// The only place that names environment variables: ours, the scheduler's, and those of the launchers of ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ckpt {

// "" when unset.
std::string environment_variable(const char* name);

// What ckptrun (or the user) tells a program; every field is empty when its variable is unset.
struct RunEnvironment {
  std::string run;             // CKPT_RUN
  std::string run_directory;   // CKPT_RUN_DIR
  std::string block;           // CKPT_BLOCK
  std::string station;         // CKPT_STATION
  std::string staging_size;    // CKPT_STAGING_SIZE
};
RunEnvironment read_run_environment();

// The scheduler's job around this process; id is empty outside of one.
struct JobEnvironment {
  std::string id;              // of this array task or job
  std::string name;
  std::string array_id;        // of the whole array, or empty
  std::string array_task;
  std::uint64_t restart_count = 0;
};
JobEnvironment read_job_environment();

// Number of ranks this process was launched with, by MPI, PMI, a Slurm step or torchrun; 1 when alone.
std::uint64_t world_size();

// "{NAME}" in text replaced by the value of that variable; CKPT_ERR_CONFIG names one that is unset.
std::string replace_variables(const std::string& text);

}  // namespace ckpt
