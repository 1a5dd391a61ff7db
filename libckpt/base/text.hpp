// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ckpt {

// The text with `value` in every place of `mark`; what was put in is not looked at again.
std::string replaced(std::string text, std::string_view mark, std::string_view value);

// Whether a shell reads it as it is.
bool is_plain_word(std::string_view word);
// As a shell reads it literally: what is printed for somebody to type.
std::string shell_word(const std::string& word);

}  // namespace ckpt
