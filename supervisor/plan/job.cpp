// SPDX-License-Identifier: Apache-2.0
#include "plan/job.hpp"

#include <algorithm>
#include <filesystem>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "base/working_directory.hpp"
#include "io/publish.hpp"
#include "slurm/directives.hpp"

namespace ckpt::plan {
namespace {

using supervisor::RunIdentity;

constexpr std::uint64_t script_limit_bytes = 4u << 20;  // what the scheduler takes, too
constexpr std::uint64_t program_limit_bytes = 1u << 20;  // of a text that somebody wrote
constexpr std::string_view task_variable = "SLURM_ARRAY_TASK_ID";
constexpr std::string_view task_in_braces = "{SLURM_ARRAY_TASK_ID}";
constexpr std::string_view task_suffix = "/{SLURM_ARRAY_TASK_ID}";

// "lr/$SLURM_ARRAY_TASK_ID": the one variable of a shell whose value is known to be ours.
std::string with_task_in_braces(std::string run) {
  for (const char* form : {"${SLURM_ARRAY_TASK_ID}", "$SLURM_ARRAY_TASK_ID"}) run = replaced(std::move(run), form, task_in_braces);
  return run;
}

bool is_text_with_task(const std::string& path) try {
  if (!io::is_file(io::file_system(), path)) return false;
  const std::string text = io::read_file(io::file_system(), path, program_limit_bytes);
  return text.find(task_variable) != std::string::npos;
} catch (const Error&) {
  return false;  // not to be read, or larger
}

bool uses_task(const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word.find(task_variable) != std::string::npos || is_text_with_task(word);
  });
}

// "command -v ckptrun", "[ -x /opt/bin/ckptrun ]": it speaks of programs, and starts none of them.
bool only_speaks(const std::vector<std::string>& command) {
  constexpr std::string_view speakers[] = {"which", "type", "hash", "echo", "printf", "test", "[", "[[", "ls", "file"};
  const auto first = std::find_if_not(command.begin(), command.end(), [](const auto& word) {
    return word == "if" || word == "while" || word == "until" || word == "elif" || word == "!";
  });
  if (first == command.end()) return false;
  if (*first == "command") return first + 1 != command.end() && (first + 1)->starts_with("-");
  return std::find(std::begin(speakers), std::end(speakers), *first) != std::end(speakers);
}

// Where this command starts ckptrun: what is to be known of it.
void take_ckptrun(const std::vector<std::string>& command, UserScript& script) {
  const auto found = std::find_if(command.begin(), command.end(),
                                  [](const auto& word) { return io::base_name(word) == "ckptrun"; });
  if (found == command.end() || only_speaks(command)) return;
  script.starts_ckptrun = true;
  script.becomes_ckptrun = std::find(command.begin(), found, "exec") != found;
  const auto launcher = std::find_if(command.begin(), found, supervisor::slurm::is_launcher);
  if (launcher != found) script.launcher = io::base_name(*launcher);
  script.run = with_task_in_braces(supervisor::slurm::run_option(found + 1, command.end()));
}

// "cd sub", in a job that starts where it is sent. What stands in parentheses is a shell of its own.
void follow(const std::string& line, const std::vector<std::string>& command, UserScript& script) {
  if (command.size() < 2 || command.front() != "cd" || line.find('(') != std::string::npos) return;
  std::string to = command[1];
  for (const char* here : {"${SLURM_SUBMIT_DIR}", "$SLURM_SUBMIT_DIR"})
    to = replaced(std::move(to), here, working_directory());
  script.directory = std::filesystem::path(script.directory) / to;
}

// "exec ckptrun -r runs/a -- python train.py", wherever in a line it stands.
void find_ckptrun(UserScript& script) {
  for (const std::string& line : supervisor::slurm::command_lines(script.text))
    for (auto& command : supervisor::slurm::shell_commands(line)) {
      if (!script.starts_ckptrun) {
        follow(line, command, script);
        take_ckptrun(command, script);
      }
      std::erase_if(command, [&](const auto& word) {
        return !script.run.empty() && with_task_in_braces(word).ends_with(script.run);
      });
      script.tells_trials_apart = script.tells_trials_apart || uses_task(command);
    }
}

// As the scheduler reads them: the user's variable outranks the script. Inside a job those are the job's, and are not
// passed on.
std::string asked_for(const UserScript& script, const char* variable, const char* directive) {
  const bool in_job = !read_job_environment().id.empty();
  if (std::string value = environment_variable(variable); !value.empty() && !in_job) return value;
  const auto found = script.directives.find(directive);
  return found == script.directives.end() ? "" : found->second;
}

// 0 and UNLIMITED mean the partition's limit, which is the site's to tell.
std::optional<double> limit_of(const UserScript& script) try {
  const std::string limit = asked_for(script, "SBATCH_TIMELIMIT", "time");
  if (limit.empty() || limit == "UNLIMITED" || limit == "INFINITE") return std::nullopt;
  const double seconds = parse_duration(limit);
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
} catch (const Error& error) {
  fail(CKPT_ERR_CONFIG, "the limit that {} asks for: {}", script.path, error.what());
}

// Its ckptrun's: named there, else after the job, as ckptrun does it.
RunIdentity run_of_script(const UserScript& script, const std::string& name) {
  if (script.run.empty()) {
    JobEnvironment job;
    job.name = name;
    return supervisor::identify_run_of_job(job, std::nullopt, {name});
  }
  if (script.run.find('$') != std::string::npos)
    fail(CKPT_ERR_CONFIG, "{} names its run '{}', which only a shell can tell: say the same run with -r", script.path,
         script.run);
  return supervisor::identify_run(script.run);
}

// Of a chain its run, of a sweep the folder of its runs; `where` says so.
std::string without_task(std::string run, const Request& request, const std::string& where) {
  if (run.find(task_in_braces) == std::string::npos) return run;
  if (!request.trials)
    fail(CKPT_ERR_CONFIG,
         "{} names the run '{}', so that every block would be a run of its own: leave the task out of the name, or "
         "send a sweep (--sweep N)",
         where, run);
  const std::string folder = run.ends_with(task_suffix) ? run.substr(0, run.size() - task_suffix.size()) : "";
  if (folder.empty() || folder.find(task_in_braces) != std::string::npos)
    fail(CKPT_ERR_CONFIG, "{} names the run '{}', and the runs of a sweep stand in a folder: name them 'NAME{}'", where,
         run, task_suffix);
  return folder;
}

void refuse_one_run_for_all_trials(const Request& request, const UserScript& script) {
  const bool one = !script.run.empty() && script.run.find_first_of("{$") == std::string::npos;
  if (!request.trials || !one) return;
  fail(CKPT_ERR_CONFIG, "{} starts `ckptrun -r {}`, one run for all {} trials: let it start `ckptrun -r {} -- …`",
       script.path, script.run, *request.trials, shell_word(script.run + std::string(task_suffix)));
}

// The script decides in the end; what is planned, recorded and continued must be the same run.
void require_same_run(const UserScript& script, const RunIdentity& meant, const RunIdentity& its) {
  if (meant.directory == its.directory || script.run.find('$') != std::string::npos) return;
  fail(CKPT_ERR_CONFIG, "{} would continue the run {}, and -r means {}: let it start `ckptrun -r {} -- …`{}",
       script.path, its.directory, meant.directory, shell_word(meant.directory),
       script.run.empty() ? ", or take a name without '/'" : "");
}

// Its trials would become blocks of one run.
void refuse_array_of_its_own(const UserScript& script) {
  const auto array = script.directives.find("array");
  if (array == script.directives.end() || array->second.ends_with("%1")) return;
  fail(CKPT_ERR_CONFIG,
       "{} asks for an array of its own (--array={}), which is a sweep: take the line out of it, or send it "
       "as one (--sweep N)",
       script.path, array->second);
}

bool is_run_elsewhere_the_same(const Request& request, const UserScript* script) {
  const bool script_says_it = script && !script->run.empty() && script->run.front() != '$';
  return (script_says_it ? script->run : request.run).starts_with('/');
}

// By long names; the command line outranks the script.
std::map<std::string, std::string> options_of(const Request& request, const UserScript* script) {
  auto options = supervisor::slurm::long_options(request.resources.others);
  if (script) options.insert(script->directives.begin(), script->directives.end());
  return options;
}

// Where ckptrun runs is where its runs are, unless their path is absolute.
void refuse_other_directory(const Request& request, const UserScript* script) {
  const auto options = options_of(request, script);
  const auto given = options.find("chdir");
  std::string directory = given == options.end() ? "." : given->second, reason = "--chdir";
  if (script && !script->directory.empty() && !script->changes_to_unknown()) {
    directory = std::filesystem::path(directory) / script->directory;
    reason = "cd in " + script->path;
  }
  std::error_code ignored;
  if (std::filesystem::equivalent(directory, ".", ignored)) return;
  if (request.freeze)
    fail(CKPT_ERR_CONFIG, "--freeze runs a copy of what is here, and the job would run in {} ({}): leave one out",
         directory, reason);
  if (is_run_elsewhere_the_same(request, script)) return;
  fail(CKPT_ERR_CONFIG,
       "the job would run in {} ({}), and have its runs there: call ckptplan there, name the run by an absolute "
       "path (-r), or leave that out",
       directory, reason);
}

void refuse_array_among_options(const Request& request) {
  if (supervisor::slurm::long_options(request.resources.others).contains("array"))
    fail(CKPT_ERR_CONFIG, "--job-option: the array is made from the plan: take --blocks N, or --sweep N, instead");
}

// In a block ckptrun starts the launcher, and stands by it.
void refuse_launcher_before_ckptrun(const UserScript& script) {
  if (script.launcher.empty()) return;
  fail(CKPT_ERR_CONFIG, "{} starts ckptrun by {}, so many times: let ckptrun start it: `ckptrun -- {} …`", script.path,
       script.launcher, script.launcher);
}

void take_script(const Request& request, Job& job) {
  job.script = read_user_script(request.script.front());
  UserScript& script = *job.script;
  refuse_launcher_before_ckptrun(script);
  refuse_one_run_for_all_trials(request, script);
  script.run = without_task(script.run, request, script.path);
  refuse_other_directory(request, &script);
  if (!request.trials) refuse_array_of_its_own(script);
  job.name = asked_for(script, "SBATCH_JOB_NAME", "job-name");
  const bool name_is_free = job.name.empty() && script.run.empty();
  if (job.name.empty()) job.name = script.stem();
  if (request.run.empty()) {
    job.run = run_of_script(script, job.name);
  } else {
    job.run = supervisor::identify_run(without_task(request.run, request, "-r"));
    if (name_is_free) job.name = job.run.name;  // its ckptrun takes the job's name
    require_same_run(script, job.run,
                     script.run.find('$') == std::string::npos ? run_of_script(script, job.name) : job.run);
  }
  if (job.partition.empty()) job.partition = asked_for(script, "SBATCH_PARTITION", "partition");
  job.own_limit_seconds = limit_of(script);
}

}  // namespace

bool UserScript::changes_to_unknown() const { return directory.find_first_of("$`~") != std::string::npos; }

std::string UserScript::stem() const { return std::filesystem::path(path).stem(); }

UserScript read_user_script(const std::string& path) {
  UserScript script;
  script.path = path;
  script.text = io::read_file(io::file_system(), path, script_limit_bytes);
  if (!script.text.starts_with("#!"))
    fail(CKPT_ERR_CONFIG, "{} is no script: its first line must be #!/bin/bash, say (a command goes behind --)", path);
  if (script.text.find("\r\n") != std::string::npos)
    fail(CKPT_ERR_CONFIG, "{0} has the line ends of DOS, which neither Slurm nor a shell understands; to mend it: "
         "sed -i 's/\\r$//' {0}", path);
  script.directives = supervisor::slurm::directives(script.text);
  find_ckptrun(script);
  return script;
}

std::string directory_of_job(const Request& request) {
  return supervisor::slurm::long_options(request.resources.others).contains("chdir") ? "" : working_directory();
}

bool tells_trials_apart(const Request& request, const Job& job) {
  if (!job.script) return uses_task(request.command);
  return job.script->tells_trials_apart || uses_task({request.script.begin() + 1, request.script.end()});
}

Job job_of(const Request& request) {
  Job job;
  refuse_array_among_options(request);
  job.partition = request.resources.partition;
  if (!request.script.empty()) take_script(request, job);
  auto options = options_of(request, job.script ? &*job.script : nullptr);
  job.nodes = options["nodes"];
  job.cpus_per_task = request.resources.cpus.empty() ? options["cpus-per-task"] : request.resources.cpus;
  if (!options.contains("overcommit")) {
    job.tasks = options["ntasks"];
    job.tasks_per_node = options["ntasks-per-node"];
  }
  if (job.script) return job;
  refuse_other_directory(request, nullptr);
  job.run = request.run.empty() ? supervisor::identify_run_of_command(request.command)
                                : supervisor::identify_run(without_task(request.run, request, "-r"));
  job.name = job.run.name;
  std::replace(job.name.begin(), job.name.end(), '/', '-');
  return job;
}

}  // namespace ckpt::plan
