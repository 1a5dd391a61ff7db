// SPDX-License-Identifier: Apache-2.0
// The messages of station.hpp as text: one JSON object each, {"type": "hello", ...}. A key that is absent has the value
// the structure starts with; so infinities, which JSON cannot say, are left out. Unknown keys are ignored.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "staging/station.hpp"

namespace ckpt::staging {

constexpr std::size_t packet_limit_bytes = 64u << 10;

std::string encode(const FromProgram& message);
std::string encode(const FromCkptrun& message);
// nullopt: not JSON, an unknown type, or a value of the wrong kind.
std::optional<FromProgram> decode_from_program(std::string_view packet) noexcept;
std::optional<FromCkptrun> decode_from_ckptrun(std::string_view packet) noexcept;

}  // namespace ckpt::staging
