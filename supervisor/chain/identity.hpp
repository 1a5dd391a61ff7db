// SPDX-License-Identifier: Apache-2.0
// Which run a command belongs to, and whether it is still the command of that run.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/environment.hpp"

namespace ckpt::supervisor {

struct RunIdentity {
  std::string name;
  std::string directory;
  std::string named_after;   // for people: "--run", "the command", "the job"
};

// `given` is what --run says, "{VARIABLE}" replaced: a path when it begins with '/' or '.', or names an existing
// directory with a '/' in it; else a name below ./ckpt-runs. CKPT_ERR_CONFIG.
RunIdentity identify_run(const std::string& given);
// A run that was given no name, below ./ckpt-runs. CKPT_ERR_CONFIG: none follows from the command.
RunIdentity identify_run_of_command(const std::vector<std::string>& command);
// What a job's chain of blocks would be called; of a sweep the folder of its trials.
RunIdentity identify_chain_of_job(const JobEnvironment& job, const std::vector<std::string>& command);
// The same inside a job: named after the job (after the command when the job's name is only the scheduler's habit), a
// trial of a sweep "<job>/<task>". CKPT_ERR_CONFIG: whether the tasks of its array are one chain or a sweep the scheduler
// does not say (nullopt), and no run of either name is there to tell: a guess would mix trials, or restart a chain.
RunIdentity identify_run_of_job(const JobEnvironment& job, const std::optional<bool>& is_chain,
                                const std::vector<std::string>& command);

// The stem of the first word after the program that is an existing file, else the -m module, else the program.
std::string default_run_name(const std::vector<std::string>& command);

// Values that change from job to job, replaced by their names: (value, name) pairs of this environment.
std::vector<std::pair<std::string, std::string>> changing_values();
// Only whole tokens of three characters or more: a task id "1" would otherwise hide real differences.
std::vector<std::string> replace_values(std::vector<std::string> words,
                                        const std::vector<std::pair<std::string, std::string>>& values);

// Empty when equal; else the words that differ, for people: "word 4 was 0.1, now 0.2".
std::optional<std::string> command_difference(const std::vector<std::string>& before,
                                              const std::vector<std::string>& now);

// "python train.py --lr '0.1 0.2'": as it would be typed.
std::string join_command(const std::vector<std::string>& words);

}  // namespace ckpt::supervisor
