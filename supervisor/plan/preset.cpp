// SPDX-License-Identifier: Apache-2.0
#include "plan/preset.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/environment.hpp"
#include "io/publish.hpp"

namespace ckpt::plan {
namespace {

namespace stdfs = std::filesystem;

constexpr std::uint64_t file_limit_bytes = 1u << 20;

}  // namespace

const Offer* Preset::offer_for(std::uint64_t gpus) const {
  const auto found = std::find_if(offers.begin(), offers.end(), [&](const Offer& offer) {
    return gpus == 0 ? offer.most_gpus == 0 : offer.most_gpus >= gpus;
  });
  return found == offers.end() ? nullptr : &*found;
}

std::string folder_of_presets() {
  const std::string configuration = environment_variable("XDG_CONFIG_HOME");
  if (configuration.starts_with('/')) return configuration + "/libckpt/sites";
  return environment_variable("HOME") + "/.config/libckpt/sites";
}

std::vector<Preset> all_presets() {
  std::map<std::string, Preset> presets;
  for (const auto& [name, text] : built_in_presets()) presets[name] = parse_preset(name, text, name);
  std::error_code none;
  for (const stdfs::directory_entry& entry : stdfs::directory_iterator(folder_of_presets(), none)) {
    if (entry.path().extension() != ".json") continue;
    const std::string file = entry.path(), name = entry.path().stem();
    presets[name] = parse_preset(name, io::read_file(io::file_system(), file, file_limit_bytes), file);
    presets[name].file = file;
  }
  std::vector<Preset> result;
  for (auto& [name, preset] : presets) result.push_back(std::move(preset));
  return result;
}

}  // namespace ckpt::plan
