// SPDX-License-Identifier: Apache-2.0
// The JSON of the files in blocks/. Reading never throws: nullopt means that the text is not such a record.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "rundir/blocks.hpp"

namespace ckpt::rundir {

std::string to_text(const Claim& claim);
std::string to_text(const Attachment& attachment);
std::string to_text(const BlockEnd& end);

std::optional<Claim> parse_claim(const std::string& text) noexcept;
std::optional<Attachment> parse_attachment(const std::string& text) noexcept;
std::optional<BlockEnd> parse_block_end(const std::string& text) noexcept;

// For people too: indented, with a newline at the end. Bytes that are no UTF-8 become U+FFFD.
std::string pretty(const nlohmann::json& value);
// Paths and command lines are bytes, JSON is UTF-8: a word that is not becomes an array of its bytes, and back.
nlohmann::json word_to_json(const std::string& word);
std::string word_from_json(const nlohmann::json& value);
nlohmann::json words_to_json(const std::vector<std::string>& words);
std::vector<std::string> words_from_json(const nlohmann::json& value);

}  // namespace ckpt::rundir
