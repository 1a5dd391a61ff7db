// SPDX-License-Identifier: Apache-2.0
// Fields of a JSON object. Reading what other programs, and other versions of this one, wrote: a field that is missing or
// of another type is no value, never an error.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace ckpt::rundir {

std::optional<double> number_in(const nlohmann::json& object, const char* key);
std::optional<std::uint64_t> count_in(const nlohmann::json& object, const char* key);
std::string text_in(const nlohmann::json& object, const char* key);        // "" when absent
nlohmann::json object_in(const nlohmann::json& object, const char* key);   // {} when absent

template <class Value>
nlohmann::json or_null(const std::optional<Value>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace ckpt::rundir
