// SPDX-License-Identifier: Apache-2.0
#include "chain/earlier_times.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "rundir/ledger.hpp"

namespace ckpt::supervisor {

namespace {

using nlohmann::json;

double number(const json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : 0.0;
}

const json* event_in(const std::vector<json>& lines, const char* wanted) {
  for (const json& line : lines)
    if (const auto event = line.find("event"); event != line.end() && *event == wanted) return &line;
  return nullptr;
}

}  // namespace

engine::Costs costs_without_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  const std::vector<json> lines = rundir::read_ledger(fs, layout.ckptrun_ledger(block));
  const json *started = event_in(lines, "started"), *ended = event_in(lines, "ended");
  if (!started || !ended) return {};
  const auto resume = started->find("resume");
  const double from = resume != started->end() && resume->is_object() ? number(*resume, "step") : 0;
  if (number(*ended, "step") > from) return {};
  return {.between_points = number(*ended, "between_points_seconds"), .stage = number(*ended, "stage_seconds"),
          .drain = number(*ended, "drain_seconds")};
}

}  // namespace ckpt::supervisor
