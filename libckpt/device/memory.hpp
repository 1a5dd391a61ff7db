// SPDX-License-Identifier: Apache-2.0
// Moving registered memory in and out, strided or not. Host memory; other kinds of memory get their operations here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "include/ckpt/ckpt.h"

namespace ckpt::device {

// Checks everything a caller can get wrong in a ckpt_array (dtype, ndim, NULL data, overflow of the size, strides) and
// throws CKPT_ERR_ARGUMENT naming `name`; device memory without a driver is CKPT_ERR_NO_DEVICE.
void check_array(const char* name, const ckpt_array& array);

std::uint64_t element_count(const ckpt_array& array) noexcept;
std::uint64_t size_bytes(const ckpt_array& array) noexcept;   // of its elements, contiguous
bool is_contiguous(const ckpt_array& array) noexcept;         // C order, no gaps

// The array's elements as if they lay contiguous in C order, from byte `first` on. `first` and the sizes are multiples
// of the element size. Contiguous arrays are one memcpy.
void copy_out(const ckpt_array& array, std::uint64_t first, std::span<std::byte> to);
void copy_in(const ckpt_array& array, std::uint64_t first, std::span<const std::byte> from);

}  // namespace ckpt::device
