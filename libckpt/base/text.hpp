// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ckpt {

// The text with `value` in every place of `mark`; what was put in is not looked at again.
std::string replaced(std::string text, std::string_view mark, std::string_view value);

}  // namespace ckpt
