// SPDX-License-Identifier: Apache-2.0
// A text into the buffer of a caller, as ckpt_get documents it.
#pragma once

#include <cstring>
#include <string>

#include "base/error.hpp"

namespace ckpt::api {

inline void copy_text(const std::string& text, const char* key, char* buffer, std::size_t capacity, std::size_t* length) {
  if (length) *length = text.size();
  if (!buffer) return;
  if (capacity <= text.size())
    fail(CKPT_ERR_ARGUMENT, "the value of '{}' needs {} bytes, the buffer has {}", key, text.size() + 1, capacity);
  std::memcpy(buffer, text.c_str(), text.size() + 1);
}

}  // namespace ckpt::api
