// SPDX-License-Identifier: Apache-2.0
#include "chain/earlier_times.hpp"

#include <nlohmann/json.hpp>

#include "rundir/ledger.hpp"

namespace ckpt::supervisor {

engine::Costs costs_of_block(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  engine::Costs costs;
  for (const nlohmann::json& line : rundir::read_ledger(fs, layout.ckptrun_ledger(block))) {
    auto seconds = [&](const char* key) {
      const auto found = line.find(key);
      return found != line.end() && found->is_number() ? found->get<double>() : 0.0;
    };
    if (const auto event = line.find("event"); event == line.end() || *event != "ended") continue;
    costs.between_points = seconds("between_points_seconds");
    costs.stage = seconds("stage_seconds");
    costs.drain = seconds("drain_seconds");
  }
  return costs;
}

}  // namespace ckpt::supervisor
