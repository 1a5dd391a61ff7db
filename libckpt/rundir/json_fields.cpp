// SPDX-License-Identifier: Apache-2.0
#include "rundir/json_fields.hpp"

namespace ckpt::rundir {
namespace {

const nlohmann::json* find(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

std::optional<double> number_in(const nlohmann::json& object, const char* key) {
  const auto* value = find(object, key);
  return value && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

std::optional<std::uint64_t> count_in(const nlohmann::json& object, const char* key) {
  const auto* value = find(object, key);
  return value && value->is_number_unsigned() ? std::optional(value->get<std::uint64_t>()) : std::nullopt;
}

std::string text_in(const nlohmann::json& object, const char* key) {
  const auto* value = find(object, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

nlohmann::json object_in(const nlohmann::json& object, const char* key) {
  const auto* value = find(object, key);
  return value && value->is_object() ? *value : nlohmann::json::object();
}

}  // namespace ckpt::rundir
