// SPDX-License-Identifier: Apache-2.0
// The small values of a program, and the JSON text of /meta that holds them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace ckpt::snapshot {

using Values = std::map<std::string, std::string>;   // key -> JSON text

// `values` are valid JSON; their text goes in as it is, so that the order of an object's members survives.
std::string meta_of(const Values& values);
Values values_of(const std::string& meta);            // none where `meta` holds none

constexpr std::size_t deepest_value = 1000;          // arrays and objects in one another: who reads it may do so by recursion
constexpr std::size_t most_containers = 2'000'000;     // arrays and objects in all: what many take in a file is little, in memory much
struct Nest {
  std::size_t depth = 0, containers = 0;              // open at once; in all
};
Nest nest_of(std::string_view json);

}  // namespace ckpt::snapshot
