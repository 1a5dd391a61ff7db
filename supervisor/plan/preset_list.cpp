// SPDX-License-Identifier: Apache-2.0
#include "plan/preset_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/quantity.hpp"
#include "plan/preset.hpp"
#include "tools/table.hpp"

namespace ckpt::plan {
namespace {

using tools::Json;

// Of the jobs with GPUs, which most ask about.
std::string limit_of(const Preset& preset) {
  const auto& limit = preset.offers.back().limit_seconds;
  return limit ? format_duration(*limit) : "";
}

std::string way_to_gpus(const Preset& preset) {
  const Offer& offer = preset.offers.back();
  return offer.partition.empty() ? offer.gpus : fmt::format("{} --partition={}", offer.gpus, offer.partition);
}

void print_table(const std::vector<Preset>& presets) {
  tools::Table table({{"SITE"}, {"CLUSTER"}, {"LIMIT"}, {"GPUS"}, {"AS OF"}, {"ABOUT"}});
  for (const Preset& preset : presets)
    table.add({preset.name, fmt::format("{}", fmt::join(preset.clusters, " ")), limit_of(preset), way_to_gpus(preset),
               preset.date, preset.note.empty() ? preset.title : preset.title + ": " + preset.note});
  table.print();
  fmt::print("\nYour own go into {}/NAME.json (docs/sites.md).\n", folder_of_presets());
}

}  // namespace

void list_presets(tools::Format format) {
  const std::vector<Preset> presets = all_presets();
  if (format == tools::Format::text) return print_table(presets);
  Json list = Json::array();
  for (const Preset& preset : presets)
    list.push_back({{"name", preset.name}, {"title", preset.title}, {"clusters", preset.clusters}, {"date", preset.date},
                    {"note", preset.note}, {"file", preset.file}});
  tools::print_json(list);
}

}  // namespace ckpt::plan
