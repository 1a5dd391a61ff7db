// SPDX-License-Identifier: Apache-2.0
#include "slurm/settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "base/environment.hpp"
#include "base/log.hpp"

namespace ckpt::supervisor::slurm {
namespace {

struct Setting {
  const char *variable, *option;
};
struct ResourceSetting {
  const char* variable;
  std::string Resources::*value;
};
constexpr ResourceSetting of_resources[] = {{"SBATCH_ACCOUNT", &Resources::account},
                                            {"SBATCH_PARTITION", &Resources::partition},
                                            {"SBATCH_QOS", &Resources::qos},
                                            {"SBATCH_GPUS", &Resources::gpus},
                                            {"SBATCH_MEM_PER_NODE", &Resources::memory}};
constexpr Setting of_others[] = {{"SBATCH_BURST_BUFFER", "bb"},
                                 {"SBATCH_CLUSTERS", "clusters"},
                                 {"SBATCH_CONSTRAINT", "constraint"},
                                 {"SBATCH_GPUS_PER_NODE", "gpus-per-node"},
                                 {"SBATCH_GPUS_PER_TASK", "gpus-per-task"},
                                 {"SBATCH_GRES", "gres"},
                                 {"SBATCH_RESERVATION", "reservation"},
                                 {"SBATCH_WCKEY", "wckey"}};
constexpr Setting of_memory_shares[] = {{"SBATCH_MEM_PER_CPU", "mem-per-cpu"}, {"SBATCH_MEM_PER_GPU", "mem-per-gpu"}};
constexpr Setting of_scripts[] = {
    {"SBATCH_TIMELIMIT", "time"}, {"SBATCH_EXPORT", "export"}, {"SBATCH_JOB_NAME", "job-name"}};

bool in_job() { return !read_job_environment().id.empty(); }

// Before what was given: the later one counts.
void add(Resources& resources, std::span<const Setting> settings) {
  JobOptions options;
  for (const auto& [variable, option] : settings)
    if (const std::string value = environment_variable(variable); !value.empty())
      options.push_back(fmt::format("--{}={}", option, value));
  resources.others.insert(resources.others.begin(), options.begin(), options.end());
}

bool is_in(const auto& settings, std::string_view name) {
  return std::any_of(std::begin(settings), std::end(settings), [&](const auto& one) { return one.variable == name; });
}

bool holds(std::string_view name, bool own_script) {
  return is_in(of_resources, name) || is_in(of_others, name) || is_in(of_memory_shares, name) ||
         (own_script && is_in(of_scripts, name));
}

std::vector<std::string> left_out(bool own_script) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry, name = text.substr(0, text.find('='));
    if (name.starts_with("SBATCH_") && !holds(name, own_script)) names.emplace_back(name);
  }
  return names;
}

}  // namespace

Resources with_settings(Resources given) {
  for (const auto& [variable, value] : of_resources)
    if ((given.*value).empty()) given.*value = environment_variable(variable);
  if (given.memory.empty()) add(given, of_memory_shares);  // they exclude one another
  add(given, of_others);
  return given;
}

Resources with_settings_for_script(Resources given) {
  if (in_job()) return given;
  given = with_settings(std::move(given));
  add(given, of_scripts);
  return given;
}

void warn_about_settings_left_out(bool own_script) {
  if (in_job()) return;
  const std::vector<std::string> names = left_out(own_script);
  if (names.empty()) return;
  log_warning("{} of the environment would outrank what is planned, and so {} for nothing here; --job-option adds an "
              "option of the job", fmt::join(names, ", "), names.size() == 1 ? "counts" : "count");
}

}  // namespace ckpt::supervisor::slurm
