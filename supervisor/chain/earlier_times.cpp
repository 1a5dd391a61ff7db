// SPDX-License-Identifier: Apache-2.0
#include "chain/earlier_times.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "block/result_record.hpp"
#include "rundir/json_fields.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::supervisor {

namespace {

using nlohmann::json;

const json* event_in(const std::vector<json>& lines, const char* wanted) {
  for (const json& line : lines)
    if (rundir::text_in(line, "event") == wanted) return &line;
  return nullptr;
}

}  // namespace

engine::Costs costs_without_progress(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  const std::vector<json> lines = rundir::read_ledger(fs, layout.ckptrun_ledger(block));
  const json *started = event_in(lines, "started"), *ended = event_in(lines, "ended");
  if (!started || !ended) return {};
  if (const auto result = parse_result(*ended); result && result->keeps_own)
    return made_progress(*result) ? engine::Costs{} : result->costs;
  const auto number = [](const json& object, const char* key) { return rundir::number_in(object, key).value_or(0); };
  if (number(*ended, "step") > number(rundir::object_in(*started, "resume"), "step")) return {};
  return {.between_points = number(*ended, "between_points_seconds"), .stage = number(*ended, "stage_seconds"),
          .drain = number(*ended, "drain_seconds")};
}

}  // namespace ckpt::supervisor
