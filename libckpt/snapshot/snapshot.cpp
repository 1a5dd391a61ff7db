// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/dtype.hpp"

namespace ckpt::snapshot {

std::uint64_t ArrayInfo::size_bytes() const noexcept {
  const DtypeInfo* info = find_dtype(static_cast<int>(dtype));
  std::uint64_t bytes = info ? info->size_bytes : 0;
  for (const std::uint64_t length : shape) bytes *= length;
  return bytes;
}

std::string describe(const ArrayInfo& array) {
  if (array.packed) return fmt::format("{}: packed, {} bytes", array.name, array.size_bytes());
  const std::string_view dtype = dtype_info(array.dtype).name;
  if (array.shape.empty()) return fmt::format("{}: {} scalar", array.name, dtype);
  return fmt::format("{}: {} [{}]", array.name, dtype, fmt::join(array.shape, ", "));
}

}  // namespace ckpt::snapshot
