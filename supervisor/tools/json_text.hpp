// SPDX-License-Identifier: Apache-2.0
// JSON in and out: what programs wrote is read tolerantly, what scripts read is printed in a fixed order.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "rundir/json_fields.hpp"

namespace ckpt::tools {

using Json = nlohmann::ordered_json;

enum class Format { text, json };

using rundir::count_in;
using rundir::number_in;
using rundir::object_in;
using rundir::text_in;

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

void print_json(const Json& value);        // to standard output
void print_json_line(const Json& value);   // in one line

}  // namespace ckpt::tools
