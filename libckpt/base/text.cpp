// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

namespace ckpt {

std::string replaced(std::string text, std::string_view mark, std::string_view value) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size())
    text.replace(at, mark.size(), value);
  return text;
}

}  // namespace ckpt
