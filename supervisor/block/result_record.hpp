// SPDX-License-Identifier: Apache-2.0
// A block's result as a line of its ledger, so that the block of the next job knows how the earlier ones ended.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "block/outcome.hpp"

namespace ckpt::supervisor {

nlohmann::json to_json(const BlockResult& result);
// Fields that are missing or of another type keep their defaults; nullopt: not even the outcome is there.
std::optional<BlockResult> parse_result(const nlohmann::json& value);

}  // namespace ckpt::supervisor
