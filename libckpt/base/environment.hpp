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
  std::string overrides;       // CKPT_OVERRIDE; who takes them takes the variable away
};
RunEnvironment read_run_environment();

// The scheduler's job around this process; id is empty outside of one.
struct JobEnvironment {
  std::string id;              // of this array task or job
  std::string name;
  std::string array_id;        // of the whole array, or empty
  std::string array_task;
  std::string array_last;      // the highest number of a task of it
  std::string cluster;
  std::string node;            // on which the batch script runs
  std::uint64_t restart_count = 0;
  std::uint64_t nodes = 1;
  double end = 0;              // wall seconds of the scheduler's clock; 0: not told
  std::string end_ignored;     // what was told instead, where that is no time
};
JobEnvironment read_job_environment();

// Where the node's own disk is, by the variables of sites and users: SLURM_TMPDIR, LOCAL_SCRATCH, TMPDIR, else /tmp.
struct NodeDisk {
  std::string directory;
  bool cleared_by_site = false;   // with the job
};
NodeDisk read_node_disk();

// How many of this process MPI, PMI or a Slurm step started; 1 when alone. Not torchrun's WORLD_SIZE: job scripts
// export it for a launcher that is still to come.
std::uint64_t started_side_by_side();
// Number of ranks this process was launched with, by one of those or by torchrun; 1 when alone.
std::uint64_t world_size();

// "{NAME}" in text replaced by the value of that variable; CKPT_ERR_CONFIG names one that is unset.
std::string replace_variables(const std::string& text);

}  // namespace ckpt
