// SPDX-License-Identifier: Apache-2.0
// What is known of a site beforehand: how it wants jobs to be asked for, and where its scratch is. Data, with sources, in
// sites/*.json; users add their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ckpt::plan {

struct Offer {
  std::uint64_t most_gpus = 0;  // 0: jobs without any
  std::string gpus;             // the option that asks for them: "--gres=gpu:{gpus},nvme:{disk_gb}"
  std::string gpu_type;         // when the user names none
  std::uint64_t disk_gb = 0;    // the same
  std::uint64_t cpus_per_gpu = 0;
  std::string memory_per_gpu, memory_per_cpu;  // as Slurm writes sizes: "64G"
  std::string partition;                       // empty: none is named
  std::optional<double> limit_seconds;
};

struct Preset {
  std::string name, title;
  std::string date;  // of its facts
  std::string note;  // what whoever uses it must know
  std::string file;  // the user's; empty: built in
  std::vector<std::string> clusters;
  bool picks_partition = false;  // the site does, where a job names none
  std::vector<Offer> offers;     // the first that has enough GPUs counts
  std::string account_form;
  bool account_required = false;
  std::string scratch;    // a directory; {account} and {VARIABLE} in it
  std::string runs;       // on it: where the runs go
  std::string node_disk;  // variable that names the node's own disk

  const Offer* offer_for(std::uint64_t gpus) const;  // nullptr: none has so many
};

// Of a JSON text. `where` names it for people. CKPT_ERR_CONFIG names file and field.
Preset parse_preset(const std::string& name, const std::string& text, const std::string& where);

// All, by name; the user's ($XDG_CONFIG_HOME/libckpt/sites/NAME.json) in place of a built-in one of that name.
std::vector<Preset> all_presets();
// The user's folder of them.
std::string folder_of_presets();

// "puhti": the name and text of each that is built in.
struct BuiltInPreset {
  const char *name, *text;
};
const std::vector<BuiltInPreset>& built_in_presets();

}  // namespace ckpt::plan
