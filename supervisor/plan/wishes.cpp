// SPDX-License-Identifier: Apache-2.0
#include "plan/wishes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <strings.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "plan/job.hpp"
#include "slurm/directives.hpp"
#include "slurm/place.hpp"
#include "slurm/settings.hpp"
#include "slurm/text.hpp"

namespace ckpt::plan {
namespace {

namespace slurm = supervisor::slurm;
using Options = std::map<std::string, std::string>;

constexpr std::string_view gres = "--gres=";

std::optional<std::uint64_t> last_number(std::string_view item) {
  return slurm::parse_number(item.substr(item.rfind(':') + 1));
}

// Of "2", "a100:2", "v100:1,a100:1"; one of "a100".
std::uint64_t count_in(std::string_view gpus) {
  std::uint64_t count = 0;
  for (const std::string_view item : slurm::split(gpus, ','))
    if (!item.empty()) count += last_number(item).value_or(1);
  return count;
}

std::string gpus_in_gres(std::string_view list) {
  std::vector<std::string_view> items = slurm::split(list, ',');
  std::erase_if(items, [](std::string_view item) { return item != "gpu" && !item.starts_with("gpu:"); });
  return fmt::format("{}", fmt::join(items, ","));
}

// "a100_1g.5gb:1": sites name the parts of a GPU by NVIDIA's profiles, slices of compute and memory.
bool are_slices(const std::string& gpus) {
  static const std::regex profile(R"(\dg\.\d+gb)");
  return std::regex_search(gpus, profile);
}

// What command line, environment and a script of the user's ask for by options that have no field of their own.
Options options_of(const Request& request) {
  Options options = slurm::long_options(request.resources.others);
  if (!request.script.empty()) options.merge(read_user_script(request.script.front()).directives);
  return options;
}

std::string gpus_asked_for(const Request& request, const Options& options) {
  if (!request.resources.gpus.empty()) return request.resources.gpus;
  for (const char* name : {"gpus", "gpus-per-node", "gpus-per-task"})
    if (const auto found = options.find(name); found != options.end()) return found->second;
  const auto found = options.find("gres");
  return found == options.end() ? "" : gpus_in_gres(found->second);
}

const Offer& offer_for(const Preset& preset, std::uint64_t gpus) {
  if (const Offer* offer = preset.offer_for(gpus)) return *offer;
  fail(CKPT_ERR_CONFIG,
       "the preset of {} knows no job with {}: ask for fewer (--gpus), or leave the preset out (--site generic)",
       preset.name, gpus == 0 ? "no GPU" : count_of(gpus, "GPU"));
}

std::string gpu_request(const Request& request, const Offer& offer) {
  std::string gpus = request.resources.gpus;
  if (!offer.gpu_type.empty() && slurm::parse_number(gpus)) gpus = offer.gpu_type + ':' + gpus;
  const std::string disk = fmt::format("{}", request.disk_gb.value_or(offer.disk_gb));
  return replaced(replaced(offer.gpus, "{gpus}", gpus), "{disk_gb}", disk);
}

// Slurm takes the last --gres only. What the user asks for in one replaces what has the same name in the preset's.
void merge_gres(slurm::Resources& resources) {
  if (!resources.gpu_request.starts_with(gres)) return;
  const auto name = [](const std::string& item) { return item.substr(0, item.find(':')); };
  std::vector<std::string> items;
  const auto add = [&](std::string_view list) {
    for (const std::string_view part : slurm::split(list, ',')) {
      const std::string item(part);
      std::erase_if(items, [&](const std::string& other) { return name(other) == name(item); });
      items.push_back(item);
    }
  };
  add(std::string_view(resources.gpu_request).substr(gres.size()));
  for (const std::string& option : resources.others)
    if (option.starts_with(gres)) add(std::string_view(option).substr(gres.size()));
  std::erase_if(resources.others, [](const std::string& option) { return option.starts_with(gres); });
  resources.gpu_request = fmt::format("{}{}", gres, fmt::join(items, ","));
}

void ask_for_gpus(Request& request, const Preset& preset, const Offer& offer) {
  const bool asks_for_disk = offer.gpus.find("{disk_gb}") != std::string::npos && !request.resources.gpus.empty();
  if (request.disk_gb && !asks_for_disk)
    fail(CKPT_ERR_CONFIG, "--disk: the preset of {} does not say how such a job asks for a disk: say it as the site does "
         "(--job-option=--tmp=100G)", preset.name);
  if (request.resources.gpus.empty()) return;
  request.resources.gpu_request = gpu_request(request, offer);
  merge_gres(request.resources);
}

// "64G" three times.
std::string times(const std::string& size, std::uint64_t count) {
  const std::uint64_t number = slurm::parse_number(size.substr(0, size.size() - 1)).value_or(0);
  return fmt::format("{}{}", number * count, size.back());
}

void fill_shares(slurm::Resources& resources, const Options& options, const Offer& offer, std::uint64_t gpus) {
  const auto is_said = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return options.contains(name); });
  };
  if (resources.cpus.empty() && gpus * offer.cpus_per_gpu > 0 && !is_said({"cpus-per-gpu", "cpus-per-task"}))
    resources.cpus = fmt::format("{}", gpus * offer.cpus_per_gpu);
  if (!resources.memory.empty() || is_said({"mem", "mem-per-cpu", "mem-per-gpu"})) return;
  if (gpus > 0 && !offer.memory_per_gpu.empty()) resources.memory = times(offer.memory_per_gpu, gpus);
  if (gpus == 0 && !offer.memory_per_cpu.empty()) resources.others.push_back("--mem-per-cpu=" + offer.memory_per_cpu);
}

void tell_shares_of_slices(const slurm::Resources& resources, const Preset& preset, const std::string& gpus) {
  if (resources.cpus.empty() || resources.memory.empty())
    log_warning("the preset of {} knows the CPUs and the memory of whole GPUs, and {} is a part of one: say --cpus and --mem",
                preset.name, gpus);
}

void name_partition(slurm::Resources& resources, const Preset& preset, const Offer& offer, const LiveSite& live) {
  if (!resources.partition.empty() || offer.partition.empty()) return;
  if (live.site && !live.site->partition(offer.partition))
    return log_warning("the preset of {} ({}) is out of date: there is no partition {} here, and none is named; name one "
                       "with --partition", preset.name, preset.date, offer.partition);
  resources.partition = offer.partition;
}

void compare_limit(const Request& request, const Preset& preset, const Offer& offer, const LiveSite& live) {
  if (!live.site || !offer.limit_seconds || request.resources.partition != offer.partition) return;
  const slurm::Partition* partition =
      preset.picks_partition ? live.site->longest() : live.site->partition(offer.partition);
  if (!partition || !partition->limit_seconds || std::abs(*partition->limit_seconds - *offer.limit_seconds) < 1) return;
  log_warning("the preset of {} ({}) is out of date: partition {} allows {}, not {}; what Slurm says counts", preset.name,
              preset.date, partition->name, format_duration(*partition->limit_seconds),
              format_duration(*offer.limit_seconds));
}

// Empty where a variable in it is not set.
std::string place(const std::string& text, const std::string& account) try {
  if (text.find("{account}") != std::string::npos && account.empty()) return {};
  return replace_variables(replaced(text, "{account}", account));
} catch (const Error&) {
  return {};
}

BySite by_site(const Preset& preset, const Offer& offer, const std::string& account) {
  return {.name = preset.name,
          .title = fmt::format("{}, as of {}", preset.title, preset.date),
          .limit_seconds = offer.limit_seconds,
          .picks_partition = preset.picks_partition,
          .account_form = preset.account_required ? preset.account_form : "",
          .scratch = place(preset.scratch, account),
          .runs = place(preset.runs, account),
          .node_disk = preset.node_disk};
}

std::string names_of(const std::vector<Preset>& presets) {
  std::vector<std::string> names;
  for (const Preset& preset : presets) names.push_back(preset.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool is_for(const Preset& preset, const std::string& cluster) {
  return std::any_of(preset.clusters.begin(), preset.clusters.end(),
                     [&](const std::string& one) { return ::strcasecmp(one.c_str(), cluster.c_str()) == 0; });
}

}  // namespace

LiveSite ask_live_site(Clock& clock) {
  const slurm::Whereabouts here = slurm::where_are_we(clock);
  if (here.place == slurm::Place::elsewhere) return {{}, here.why};
  slurm::Site site = slurm::ask_site(clock);
  if (!site.why_not.empty()) return {{}, site.why_not};
  return {std::move(site), here.why};
}

std::optional<Preset> preset_for(const Request& request, const LiveSite& live) {
  if (request.site.empty() && !live.site) return std::nullopt;
  const std::vector<Preset> presets = all_presets();
  const std::string cluster = live.site ? live.site->configuration.cluster() : "";
  for (const Preset& preset : presets)
    if (request.site.empty() ? is_for(preset, cluster) : preset.name == request.site) return preset;
  if (request.site.empty()) return std::nullopt;
  fail(CKPT_ERR_CONFIG, "--site: there is no preset '{}' (there are {}; your own go into {})", request.site,
       names_of(presets), folder_of_presets());
}

Request with_environment(Request request) {
  request.resources = request.script.empty() ? slurm::with_resources_here(request.resources)
                                             : slurm::with_settings_for_script(request.resources);
  return request;
}

Request with_preset(Request request, const Preset& preset, const LiveSite& live) {
  if (!preset.note.empty()) log_warning("{}: {}", preset.title, preset.note);
  const Options options = options_of(request);
  const std::string asked = gpus_asked_for(request, options);
  const std::uint64_t gpus = count_in(asked);
  const Offer& offer = offer_for(preset, gpus);
  ask_for_gpus(request, preset, offer);
  if (request.script.empty()) {
    if (are_slices(asked))
      tell_shares_of_slices(request.resources, preset, asked);
    else
      fill_shares(request.resources, options, offer, gpus);
    name_partition(request.resources, preset, offer, live);
  }
  compare_limit(request, preset, offer, live);
  const auto account = options.find("account");
  const bool script_names_it = request.resources.account.empty() && account != options.end();
  request.by_site = by_site(preset, offer, script_names_it ? account->second : request.resources.account);
  return request;
}

}  // namespace ckpt::plan
