// SPDX-License-Identifier: Apache-2.0
// The small values of a program, and the JSON text of /meta that holds them.
#pragma once

#include <map>
#include <string>

namespace ckpt::snapshot {

using Values = std::map<std::string, std::string>;   // key -> JSON text

// `values` are valid JSON; their text goes in as it is, so that the order of an object's members survives.
std::string meta_of(const Values& values);
Values values_of(const std::string& meta);            // none where `meta` holds none

}  // namespace ckpt::snapshot
