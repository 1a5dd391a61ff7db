// SPDX-License-Identifier: Apache-2.0
#include "snapshot/values.hpp"

#include <algorithm>
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

Nest nest_of(std::string_view json) {
  Nest nest;
  std::size_t open = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      nest.depth = std::max(nest.depth, ++open);
      ++nest.containers;
    } else if (!in_text && (c == ']' || c == '}') && open > 0) {
      --open;
    }
  }
  return nest;
}

}  // namespace ckpt::snapshot
