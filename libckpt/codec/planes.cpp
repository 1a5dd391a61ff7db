// SPDX-License-Identifier: Apache-2.0
#include "codec/planes.hpp"

#include <cstring>

namespace ckpt::codec {
namespace {

// Constant widths, restricted pointers and one simple inner loop: what the vectoriser understands.
template <std::size_t width>
void shuffle_elements(const std::byte* __restrict from, std::byte* __restrict to, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t plane = 0; plane < width; ++plane) to[plane * count + i] = from[i * width + plane];
}

template <std::size_t width>
void unshuffle_elements(const std::byte* __restrict from, std::byte* __restrict to, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t plane = 0; plane < width; ++plane) to[i * width + plane] = from[plane * count + i];
}

void shuffle_any(const std::byte* from, std::byte* to, std::size_t count, std::size_t width) noexcept {
  for (std::size_t plane = 0; plane < width; ++plane)
    for (std::size_t i = 0; i < count; ++i) to[plane * count + i] = from[i * width + plane];
}

void unshuffle_any(const std::byte* from, std::byte* to, std::size_t count, std::size_t width) noexcept {
  for (std::size_t plane = 0; plane < width; ++plane)
    for (std::size_t i = 0; i < count; ++i) to[i * width + plane] = from[plane * count + i];
}

void copy_tail(std::span<const std::byte> from, std::size_t done, std::span<std::byte> to) noexcept {
  if (done < from.size()) std::memcpy(to.data() + done, from.data() + done, from.size() - done);
}

}  // namespace

void shuffle(std::span<const std::byte> from, std::uint32_t element_size, std::span<std::byte> to) {
  const std::size_t count = element_size > 1 ? from.size() / element_size : 0;
  switch (element_size) {
    case 2: shuffle_elements<2>(from.data(), to.data(), count); break;
    case 4: shuffle_elements<4>(from.data(), to.data(), count); break;
    case 8: shuffle_elements<8>(from.data(), to.data(), count); break;
    case 16: shuffle_elements<16>(from.data(), to.data(), count); break;
    default: shuffle_any(from.data(), to.data(), count, element_size);
  }
  copy_tail(from, count * element_size, to);
}

void unshuffle(std::span<const std::byte> from, std::uint32_t element_size, std::span<std::byte> to) {
  const std::size_t count = element_size > 1 ? from.size() / element_size : 0;
  switch (element_size) {
    case 2: unshuffle_elements<2>(from.data(), to.data(), count); break;
    case 4: unshuffle_elements<4>(from.data(), to.data(), count); break;
    case 8: unshuffle_elements<8>(from.data(), to.data(), count); break;
    case 16: unshuffle_elements<16>(from.data(), to.data(), count); break;
    default: unshuffle_any(from.data(), to.data(), count, element_size);
  }
  copy_tail(from, count * element_size, to);
}

}  // namespace ckpt::codec
