// SPDX-License-Identifier: Apache-2.0
// JSON in and out: what programs wrote is read tolerantly (a missing or odd value is no value), what scripts read is
// printed in a fixed order.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace ckpt::tools {

using Json = nlohmann::ordered_json;

enum class Format { text, json };

std::optional<double> number_in(const nlohmann::json& object, const char* key);
std::optional<std::uint64_t> count_in(const nlohmann::json& object, const char* key);
std::string text_in(const nlohmann::json& object, const char* key);   // "" when absent
nlohmann::json object_in(const nlohmann::json& object, const char* key);   // {} when absent

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

void print_json(const Json& value);   // to standard output

}  // namespace ckpt::tools
