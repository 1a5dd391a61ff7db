// SPDX-License-Identifier: Apache-2.0
// What is submitted: the options that make a chain of a job, and a whole job script.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ckpt::supervisor::slurm {

// The option's words, as sbatch takes them on its command line and in "#SBATCH" lines: "--array=1-4%1".
using JobOptions = std::vector<std::string>;

struct JobShape {
  std::string name;
  double limit_seconds = 0;            // of a block; 0: as the script or the site says
  unsigned warning_seconds = 0;        // before the end; 0: none
  std::string log_folder;              // absolute; empty: as the script or the site says
  std::string log_name = "%A_%a.log";  // in it, a file per block
  std::string working_directory;       // absolute; empty: where the submission runs
};
// What every block of a chain is told, but for the array itself.
JobOptions job_options(const JobShape& shape);
// One task at a time; the trials of a sweep all at once.
std::string chain_array(std::uint64_t blocks);
std::string sweep_array(std::uint64_t trials);
// Task i starts when task i of `before` has ended well; where that cannot happen any more it is cancelled.
JobOptions after_each_task(const std::string& before);

struct Resources {  // empty: as the site says
  std::string account, partition, qos, gpus, cpus, memory;
  std::string gpu_request = {};  // the option that asks for `gpus` here; empty: --gpus
  JobOptions others;  // as given
};
JobOptions resource_options(const Resources& resources);
// What is absent in `given`, as the job around us has it or the user's SBATCH_* variables say.
Resources with_resources_here(Resources given);
// "srun --time=30 --pty ckptplan --rehearse 2 -- ./prog": a command in a short job of its own, on this terminal.
std::string interactive_line(const Resources& resources, double limit_seconds, const std::vector<std::string>& words);

// What the job finds as it was at the submission, whatever the site passes on by itself.
struct Surroundings {
  std::string modules_home;  // of environment modules or Lmod
  std::string modules;       // "gcc/12:cuda/12.1"
  std::string virtual_environment;
  std::string conda, conda_environment;  // its program, the environment's folder
  std::string node_disk = {};            // the variable that names the node's own disk
};
Surroundings surroundings_here();

struct ScriptContent {
  std::string title;  // a line for people
  JobOptions options;
  Surroundings surroundings;
  std::vector<std::string> command;  // {SLURM_ARRAY_TASK_ID} in a word becomes the task's number
};
std::string job_script(const ScriptContent& content);

}  // namespace ckpt::supervisor::slurm
