// SPDX-License-Identifier: Apache-2.0
// What a snapshot is, whichever way it goes: shared by writer and reader. The file itself: docs/format.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "include/ckpt/ckpt.h"

namespace ckpt::snapshot {

struct Header {
  std::uint64_t step = 0;
  std::uint64_t block = 0;       // who wrote it
  std::string run;               // name of the run, at most 255 bytes
  std::string created;           // ISO 8601, UTC
  std::string writer;            // "libckpt 0.1.0"
  std::uint64_t rank = 0, ranks = 1;
  std::string meta = "{}";       // UTF-8 JSON: small values of the program
};

struct ArrayInfo {
  std::string name;
  ckpt_dtype dtype = CKPT_U8;
  std::vector<std::uint64_t> shape;   // {} for a scalar
  bool packed = false;                // what a pack callback wrote: dtype u8, shape {size}

  std::uint64_t size_bytes() const noexcept;
  bool operator==(const ArrayInfo&) const = default;
};

// "weights: f32 [1000, 784]"
std::string describe(const ArrayInfo& array);

}  // namespace ckpt::snapshot
