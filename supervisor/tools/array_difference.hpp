// SPDX-License-Identifier: Apache-2.0
// How far two arrays of one type and shape lie apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "include/ckpt/ckpt.h"

namespace ckpt::tools {

struct ArrayDifference {
  std::uint64_t elements = 0;         // whose bytes differ
  std::uint64_t first = 0;            // the first of them, counted through the array in C order
  std::uint64_t largest_at = 0;
  long double largest = 0;            // |a - b|; infinite where one of two is no number; of complex numbers the modulus
  long double largest_relative = 0;   // the same by the larger of |a| and |b|
};

// Element by element; equal bytes are equal, whatever they mean.
ArrayDifference difference(ckpt_dtype dtype, std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace ckpt::tools
