// SPDX-License-Identifier: Apache-2.0
// The byte shuffle of HDF5's filter 2: byte k of every element next to each other. A tail shorter than an element
// is copied as it is (as HDF5 does).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ckpt::codec {

// `to` has the size of `from`; they do not overlap. element_size 1 is a copy.
void shuffle(std::span<const std::byte> from, std::uint32_t element_size, std::span<std::byte> to);
void unshuffle(std::span<const std::byte> from, std::uint32_t element_size, std::span<std::byte> to);

}  // namespace ckpt::codec
