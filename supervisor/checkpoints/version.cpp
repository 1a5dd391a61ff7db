// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/version.hpp"

#include <nlohmann/json.hpp>

#include "rundir/json_fields.hpp"

namespace ckpt::checkpoints {

using nlohmann::json;

std::string describe(const Version& version) { return describe(version.candidate); }

bool is_newer(const std::optional<Version>& now, const std::optional<Version>& before) noexcept {
  if (!now || !before) return now.has_value();
  if (now->crc == before->crc && now->candidate.bytes == before->candidate.bytes) return false;
  if (now->candidate.order != before->candidate.order) return now->candidate.order > before->candidate.order;
  return now->candidate.modified > before->candidate.modified;   // in place, or under a name that has come again
}

json to_json(const Version& version) {
  const Candidate& candidate = version.candidate;
  json value = {{"path", candidate.path},   {"modified", candidate.modified}, {"bytes", candidate.bytes},
                {"order", candidate.order}, {"format", version.format},       {"crc32c", version.crc}};
  if (!candidate.name.empty()) value["name"] = candidate.name;
  if (candidate.epoch) value["epoch"] = *candidate.epoch;
  if (candidate.step) value["step"] = *candidate.step;
  if (!version.copy.empty()) value["copy"] = version.copy;
  return value;
}

json to_json(const std::optional<Version>& version) { return version ? to_json(*version) : json(); }

std::optional<Version> parse_version(const json& value) {
  Version version;
  Candidate& candidate = version.candidate;
  candidate.path = rundir::text_in(value, "path");
  if (candidate.path.empty()) return std::nullopt;
  candidate.name = rundir::text_in(value, "name");
  candidate.modified = rundir::number_in(value, "modified").value_or(0);
  candidate.bytes = rundir::count_in(value, "bytes").value_or(0);
  candidate.epoch = rundir::count_in(value, "epoch");
  candidate.step = rundir::count_in(value, "step");
  version.format = rundir::text_in(value, "format");
  version.crc = static_cast<std::uint32_t>(rundir::count_in(value, "crc32c").value_or(0));
  version.copy = rundir::text_in(value, "copy");
  if (const auto order = value.find("order"); order != value.end() && order->is_array())
    for (const json& number : *order)
      if (number.is_number_unsigned()) candidate.order.push_back(number);
  return version;
}

}  // namespace ckpt::checkpoints
