// SPDX-License-Identifier: Apache-2.0
#include "slurm/script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "slurm/settings.hpp"
#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr std::string_view task_variable = "{SLURM_ARRAY_TASK_ID}";

// "D-HH:MM:SS"; Slurm counts in minutes, so an odd second more would be rounded up to a minute.
std::string time_limit(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(60.0, std::floor(seconds)));
  return fmt::format("{}-{:02}:{:02}:{:02}", whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
}

// Its file names have a language of their own: %A, %a; a backslash ends that.
std::string log_file(const std::string& folder, const std::string& name) {
  if (folder.find_first_of("%\\\"\n") != std::string::npos)
    fail(CKPT_ERR_CONFIG,
         "'{}' cannot hold the logs of a job: %, \\, \" and line ends mean something else there; give the "
         "run another place with --run",
         folder);
  return folder + '/' + name;
}

// Inside "#SBATCH" double quotes hold a value together that sbatch would split or read as a quote; there is no escape
// for them.
std::string directive_line(const std::string& option) {
  if (option.find_first_of("\"\\\n") != std::string::npos)
    fail(CKPT_ERR_CONFIG, "the job option {} holds a \", a \\ or a line end, which a job script cannot say", option);
  const std::size_t value = option.find('=') + 1;
  if (is_plain_word(option) || value == 0) return "#SBATCH " + option + '\n';
  return "#SBATCH " + option.substr(0, value) + '"' + option.substr(value) + "\"\n";
}

std::string word_with_task(std::string_view word) {
  std::string result;
  const auto add_literal = [&](std::string_view text) {
    if (!text.empty() || result.empty()) result += shell_word(std::string(text));
  };
  for (std::size_t at; (at = word.find(task_variable)) != std::string_view::npos;
       word.remove_prefix(at + task_variable.size())) {
    if (at > 0) add_literal(word.substr(0, at));
    result += R"("$SLURM_ARRAY_TASK_ID")";
  }
  add_literal(word);
  return result;
}

std::string surroundings_lines(const Surroundings& here) {
  std::string lines;
  if (!here.node_disk.empty()) lines += fmt::format("export TMPDIR=\"${{{}:-${{TMPDIR:-/tmp}}}}\"\n", here.node_disk);
  if (!here.modules.empty()) {
    if (!here.modules_home.empty())
      lines += fmt::format("type module >/dev/null 2>&1 || source {}/init/bash\n", shell_word(here.modules_home));
    lines += "module load";
    for (const std::string_view module : split(here.modules, ':'))
      if (!module.empty()) lines += ' ' + shell_word(std::string(module));
    lines += '\n';
  }
  if (!here.virtual_environment.empty()) {
    lines += fmt::format("source {}/bin/activate\n", shell_word(here.virtual_environment));
  } else if (!here.conda.empty() && !here.conda_environment.empty()) {
    lines += fmt::format("eval \"$({} shell.bash hook)\"\nconda activate {}\n", shell_word(here.conda),
                         shell_word(here.conda_environment));
  }
  return lines;
}

}  // namespace

JobOptions job_options(const JobShape& shape) {
  JobOptions options;
  if (!shape.name.empty()) options.push_back("--job-name=" + shape.name);
  if (shape.limit_seconds > 0) options.push_back("--time=" + time_limit(shape.limit_seconds));
  // B: the batch shell, which is ckptrun by then: what it starts it tells itself.
  if (shape.warning_seconds > 0) options.push_back(fmt::format("--signal=B:USR1@{}", shape.warning_seconds));
  if (!shape.log_folder.empty()) {
    options.push_back("--open-mode=append");  // a block that is requeued writes on
    options.push_back("--output=" + log_file(shape.log_folder, shape.log_name));
  }
  if (!shape.working_directory.empty()) options.push_back("--chdir=" + shape.working_directory);
  return options;
}

std::string chain_array(std::uint64_t blocks) { return fmt::format("--array=1-{}%1", blocks); }

std::string sweep_array(std::uint64_t trials) { return fmt::format("--array=1-{}", trials); }

JobOptions after_each_task(const std::string& before) {
  return {"--dependency=aftercorr:" + before, "--kill-on-invalid-dep=yes"};
}

JobOptions resource_options(const Resources& resources) {
  JobOptions options;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) options.push_back(fmt::format("--{}={}", name, value));
  };
  add("account", resources.account);
  add("partition", resources.partition);
  add("qos", resources.qos);
  if (resources.gpu_request.empty()) add("gpus", resources.gpus);
  else options.push_back(resources.gpu_request);
  add("cpus-per-task", resources.cpus);
  add("mem", resources.memory);
  options.insert(options.end(), resources.others.begin(), resources.others.end());
  return options;
}

Resources with_resources_here(Resources given) {
  const auto fill = [](std::string& value, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (value.empty()) value = environment_variable(name);
  };
  given = with_settings(std::move(given));
  fill(given.account, {"SLURM_JOB_ACCOUNT"});
  fill(given.partition, {"SLURM_JOB_PARTITION"});
  fill(given.qos, {"SLURM_JOB_QOS"});
  fill(given.gpus, {"SLURM_GPUS", "SLURM_GPUS_ON_NODE"});
  fill(given.cpus, {"SLURM_CPUS_PER_TASK"});
  fill(given.memory, {"SLURM_MEM_PER_NODE"});  // MiB, as a bare number means
  return given;
}

std::string interactive_line(const Resources& resources, double limit_seconds, const std::vector<std::string>& words) {
  std::string line = "srun";
  for (const std::string& option : resource_options(resources)) line += ' ' + shell_word(option);
  line += fmt::format(" --time={:.0f} --pty", std::ceil(limit_seconds / 60));
  for (const std::string& word : words) line += ' ' + shell_word(word);
  return line;
}

Surroundings surroundings_here() {
  return {.modules_home = environment_variable("MODULESHOME"),
          .modules = environment_variable("LOADEDMODULES"),
          .virtual_environment = environment_variable("VIRTUAL_ENV"),
          .conda = environment_variable("CONDA_EXE"),
          .conda_environment = environment_variable("CONDA_PREFIX")};
}

std::string job_script(const ScriptContent& content) {
  std::string text = "#!/bin/bash\n# " + content.title + '\n';
  for (const std::string& option : content.options) text += directive_line(option);
  const std::string surroundings = surroundings_lines(content.surroundings);
  text += '\n' + surroundings + (surroundings.empty() ? "" : "\n");
  std::string line = "exec";
  for (const std::string& word : content.command) line += ' ' + word_with_task(word);
  return text + line + '\n';
}

}  // namespace ckpt::supervisor::slurm
