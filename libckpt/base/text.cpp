// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

namespace ckpt {
namespace {

constexpr std::string_view harmless =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:@%+";

}  // namespace

std::string replaced(std::string text, std::string_view mark, std::string_view value) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size())
    text.replace(at, mark.size(), value);
  return text;
}

bool is_plain_word(std::string_view word) {
  return !word.empty() && word.find_first_not_of(harmless) == std::string_view::npos;
}

std::string shell_word(const std::string& word) {
  return is_plain_word(word) ? word : '\'' + replaced(word, "'", "'\\''") + '\'';
}

}  // namespace ckpt
