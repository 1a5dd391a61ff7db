// SPDX-License-Identifier: Apache-2.0
// A checkpoint that was found whole, as ckptrun remembers it in its ledgers.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "checkpoints/pattern.hpp"

namespace ckpt::checkpoints {

struct Version {
  Candidate candidate;
  std::string format;
  std::uint32_t crc = 0;  // CRC-32C of all its bytes: what changes later without a trace is noticed
  std::string copy;       // that was made of it; empty: none

  const std::string& path() const noexcept { return candidate.path; }
};

std::string describe(const Version& version);  // "model-12.pt (epoch 12)"

// More than the same state once more: a program that writes what it has just read, and then fails, would go round for ever.
bool is_newer(const std::optional<Version>& now, const std::optional<Version>& before) noexcept;

nlohmann::json to_json(const Version& version);
nlohmann::json to_json(const std::optional<Version>& version);   // null when there is none
std::optional<Version> parse_version(const nlohmann::json& value);  // nullopt for anything else

}  // namespace ckpt::checkpoints
