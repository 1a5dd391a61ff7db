// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.hpp"

#include <algorithm>
#include <iterator>

#include "base/error.hpp"

namespace ckpt {
namespace {

constexpr DtypeInfo table[] = {
    {CKPT_U8, "u8", 1},         {CKPT_I8, "i8", 1},         {CKPT_U16, "u16", 2},   {CKPT_I16, "i16", 2},
    {CKPT_U32, "u32", 4},       {CKPT_I32, "i32", 4},       {CKPT_U64, "u64", 8},   {CKPT_I64, "i64", 8},
    {CKPT_F16, "f16", 2},       {CKPT_F32, "f32", 4},       {CKPT_F64, "f64", 8},   {CKPT_BF16, "bf16", 2},
    {CKPT_F8E4M3, "f8e4m3", 1}, {CKPT_F8E5M2, "f8e5m2", 1}, {CKPT_C64, "c64", 8},   {CKPT_C128, "c128", 16},
    {CKPT_BOOL, "bool", 1},
};

template <class Predicate>
const DtypeInfo* find(Predicate predicate) noexcept {
  const auto* found = std::find_if(std::begin(table), std::end(table), predicate);
  return found == std::end(table) ? nullptr : found;
}

}  // namespace

const DtypeInfo* find_dtype(int dtype) noexcept {
  return find([&](const DtypeInfo& info) { return info.dtype == dtype; });
}
const DtypeInfo* find_dtype(std::string_view name) noexcept {
  return find([&](const DtypeInfo& info) { return info.name == name; });
}

const DtypeInfo& dtype_info(ckpt_dtype dtype) {
  const DtypeInfo* info = find_dtype(static_cast<int>(dtype));
  if (!info) fail(CKPT_ERR_ARGUMENT, "{} is no ckpt_dtype", static_cast<int>(dtype));
  return *info;
}

}  // namespace ckpt
