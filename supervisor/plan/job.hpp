// SPDX-License-Identifier: Apache-2.0
// Which job a plan is for: the run it continues, and what a user's own script asks for by itself.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "chain/identity.hpp"
#include "plan/request.hpp"

namespace ckpt::plan {

struct UserScript {
  std::string path, text;
  std::map<std::string, std::string> directives;  // by long names
  bool starts_ckptrun = false;
  bool becomes_ckptrun = false;      // by exec: what Slurm signals the shell with reaches ckptrun
  std::string launcher;              // that starts its ckptrun: "srun"
  std::string directory;             // to which it has changed when it starts its ckptrun, as it says it
  std::string run;                   // of its ckptrun's --run; empty: named after the job
  bool tells_trials_apart = false;   // uses the number of the task, for more than the run

  // "cd $SCRATCH/fashion": where only a shell can tell.
  bool changes_to_unknown() const;
  // "train" of train.sh: what the job is called when nobody says anything else.
  std::string stem() const;
};
// CKPT_ERR_CONFIG: not there, or no script.
UserScript read_user_script(const std::string& path);

struct Job {
  supervisor::RunIdentity run;              // of a sweep: the folder of its trials
  std::optional<UserScript> script;         // else a command, for which one is written
  std::string runs_folder;                  // what ./ckpt-runs is a link to, or becomes one to; empty: a folder
  std::string name;                         // of the job
  std::string partition;                    // empty: the site's default
  std::optional<double> own_limit_seconds;  // as script or environment say
  // Of one job, as script and options say; tasks are those of srun.
  std::string nodes, tasks, tasks_per_node, cpus_per_task;
};
// Where it runs: here; empty: where the user's --chdir says.
std::string directory_of_job(const Request& request);
// Whether the trials of a sweep differ, as far as can be seen: by the number of the task in the command or the script,
// their arguments, or the text of a program that they name.
bool tells_trials_apart(const Request& request, const Job& job);
// CKPT_ERR_CONFIG where the script would continue another run than the one that is meant.
Job job_of(const Request& request);

}  // namespace ckpt::plan
