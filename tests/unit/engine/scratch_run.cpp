// SPDX-License-Identifier: Apache-2.0
#include "scratch_run.hpp"

#include "rundir/layout.hpp"

namespace ckpt::testing {

std::vector<std::string> ScratchWorld::snapshots() const {
  std::vector<std::string> found;
  for (const auto& path : disk->files()) {
    const std::string folder = run_directory + "/snapshots/";
    if (path.starts_with(folder) && rundir::parse_snapshot_file_name(path.substr(folder.size()))) found.push_back(path);
  }
  return found;
}

ckpt_array array_of(std::vector<float>& values) {
  ckpt_array array{};
  array.data = values.data();
  array.dtype = CKPT_F32;
  array.ndim = 1;
  array.shape[0] = values.size();
  return array;
}

ScratchRun::ScratchRun(Settings settings, const std::string& directory) {
  ckpt_config* config = nullptr;
  ckpt_config_create(&config, nullptr);
  ckpt_config_set(config, "directory", directory.c_str(), nullptr);
  ckpt_config_set(config, "signals", "off", nullptr);
  for (const auto& [key, value] : settings) ckpt_config_set(config, key, value, nullptr);
  opened = ckpt_open(config, &run, &error);
  ckpt_config_free(&config);
}

ckpt_status ScratchRun::add(const char* name, std::vector<float>& values) {
  const ckpt_array array = array_of(values);
  return ckpt_add(run, name, &array, &error);
}

}  // namespace ckpt::testing
