// SPDX-License-Identifier: Apache-2.0
// Who hears that the end comes. What is said here was watched on a real Slurm, with each plug-in.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {
namespace {

// Programs that start another one and do not reliably pass signals on to it.
constexpr std::string_view launchers[] = {"torchrun", "accelerate", "deepspeed", "uv", "conda", "mamba", "micromamba", "poetry",
                                          "pipenv", "apptainer", "singularity", "mpirun", "mpiexec", "bash", "sh"};

bool kills_without_a_word(const Facts& facts) {
  return facts.site.configuration.value("ProctrackType") == "proctrack/cgroup";
}

enum class Start { not_found, child, execed };

// How the job script starts ckptrun, by its last line that does.
Start start_in(const std::string& script) {
  Start start = Start::not_found;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    if (!(words >> first) || first.starts_with('#') || line.find("ckptrun") == std::string::npos) continue;
    start = first == "exec" ? Start::execed : Start::child;
  }
  return start;
}

// "srun", "env A=b", "nice -n 5" before it are passed over: Slurm signals steps itself, the others become the program.
bool stands_aside(const std::string& word) {
  return word == "srun" || word == "env" || word == "nice" || word.starts_with('-') || word.find('=') != std::string::npos ||
         word.find_first_not_of("0123456789") == std::string::npos;
}

bool is_started_by_srun(const std::vector<std::string>& command) {
  const auto before_program = std::ranges::find_if_not(command, stands_aside);
  return std::find(command.begin(), before_program, "srun") != before_program;
}

std::string launcher_in(const std::vector<std::string>& command) {
  const auto first = std::ranges::find_if_not(command, stands_aside);
  if (first == command.end()) return "";
  const std::string program = std::filesystem::path(*first).filename();
  if (std::ranges::find(launchers, program) != std::end(launchers)) return program;
  const bool module = std::ranges::find(command, "torch.distributed.run") != command.end();
  return module ? "torch.distributed.run" : "";
}

}  // namespace

Finding check_signals_of_exec(const Facts&) {
  return good("signals with exec", "'exec ckptrun -- …' as the last line of a job script gets the warning signal and, at "
              "the limit, TERM");
}

Finding check_signals_without_exec(const Facts& facts) {
  const std::string subject = "signals without exec", plug_in = facts.site.configuration.value("ProctrackType");
  const Start start = facts.run ? start_in(facts.run->script) : Start::not_found;
  if (start == Start::child && facts.run->script.find("--signal=B:") != std::string::npos)
    return warning(subject, "bash dies of the warning (--signal=B:…) that the job script of " + facts.run->name +
                   " asks for, and its job with it", "take that line out of the script, or write 'exec' before ckptrun");
  if (start == Start::execed) return good(subject, "the job script of " + facts.run->name + " has the exec");
  if (plug_in.empty()) return unknown(subject, "the site does not tell its ProctrackType");
  if (!kills_without_a_word(facts))
    return good(subject, fmt::format("bash passes no signal on, but at the limit TERM reaches every process ({})", plug_in));
  return warning(subject, fmt::format("a ckptrun that bash runs as a child is killed at the limit without any signal ({}); "
                                      "it stops by the clock, but of a shortened limit it hears late", plug_in),
                 start == Start::child ? "write 'exec' before ckptrun in the job script of " + facts.run->name
                                       : "write 'exec ckptrun -- …' as the last line of job scripts");
}

Finding check_signals_of_steps(const Facts&) {
  return good("signals of srun", "a program that srun starts gets the warning signal (--signal without 'B:') and TERM");
}

Finding check_launcher(const Facts& facts) {
  const std::string subject = "launcher";
  if (!facts.run || facts.run->command.empty())
    return unknown(subject, "torchrun, uv run, conda run, apptainer and the like do not reliably pass signals on; with -r "
                   "RUN its command is looked at");
  if (!facts.run->container.empty())
    return good(subject, fmt::format("{} is between ckptrun and the program: a stop signal goes to the program inside, and "
                                     "the CKPT_ variables get there with --cleanenv, too; the run's directory must be "
                                     "there as well (--bind)", facts.run->container));
  const std::string launcher = launcher_in(facts.run->command);
  if (launcher.empty() && is_started_by_srun(facts.run->command))
    return good(subject, "srun is between ckptrun and the program of " + facts.run->name + ", and passes signals on to it");
  if (launcher.empty()) return good(subject, "none between ckptrun and the program of " + facts.run->name);
  if (facts.run->links_libckpt)
    return good(subject, fmt::format("{} is between ckptrun and the program, which hears of a stop through libckpt", launcher));
  return warning(subject, fmt::format("{} is between ckptrun and the program, which does not use libckpt: a stop signal may "
                                      "not reach it", launcher),
                 fmt::format("start it as '{} … ckptrun -- program', or have the program use libckpt", launcher));
}

}  // namespace ckpt::supervisor::doctor
