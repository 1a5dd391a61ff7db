// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "include/ckpt/ckpt.h"

namespace ckpt {

struct DtypeInfo {
  ckpt_dtype dtype;
  std::string_view name;         // "f32", "bf16", …: as written in messages and in `ckpt_dtype` attributes
  std::uint32_t size_bytes;      // of one element; also the width the byte shuffle separates
};

const DtypeInfo* find_dtype(int dtype) noexcept;             // nullptr: no such dtype
const DtypeInfo* find_dtype(std::string_view name) noexcept;
const DtypeInfo& dtype_info(ckpt_dtype dtype);               // CKPT_ERR_ARGUMENT when there is none

}  // namespace ckpt
