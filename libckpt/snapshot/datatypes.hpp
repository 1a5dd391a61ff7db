// SPDX-License-Identifier: Apache-2.0
// ckpt_dtype <-> the HDF5 datatype it is stored as.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/dtype.hpp"
#include "snapshot/hdf5.hpp"

namespace ckpt::snapshot {

// Made when first asked for; lives and dies inside Hdf5Scopes.
class Datatypes {
 public:
  hid_t stored(ckpt_dtype dtype);
  // The dtype whose natural datatype this is; nothing: none of ours. Tagged integers come out as u8 or u16.
  std::optional<ckpt_dtype> natural(hid_t datatype);

 private:
  std::array<Hid, CKPT_BOOL + 1> made_;
};

// The name to write into the dtype attribute; empty when the datatype itself says it all.
std::string_view tag_of(ckpt_dtype dtype) noexcept;
// What tagged integers are; nothing: no such tag on integers of this type.
std::optional<ckpt_dtype> from_tag(ckpt_dtype integer, std::string_view tag) noexcept;

}  // namespace ckpt::snapshot
