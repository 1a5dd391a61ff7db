// SPDX-License-Identifier: Apache-2.0
#include "snapshot/values.hpp"

#include <nlohmann/json.hpp>

namespace ckpt::snapshot {

using Json = nlohmann::ordered_json;

std::string meta_of(const Values& values) {
  std::string members;
  for (const auto& [key, text] : values) {
    if (!members.empty()) members += ',';
    members += Json(key).dump(-1, ' ', false, Json::error_handler_t::replace) + ':' + text;
  }
  return "{\"values\":{" + members + "}}";
}

Values values_of(const std::string& meta) {
  const Json parsed = Json::parse(meta, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("values") || !parsed["values"].is_object()) return {};
  Values values;
  for (const auto& [key, value] : parsed["values"].items()) values[key] = value.dump();
  return values;
}

}  // namespace ckpt::snapshot
