// SPDX-License-Identifier: Apache-2.0
#include "codec/planes.hpp"

#include <algorithm>
#include <cstring>

namespace ckpt::codec {
namespace {

constexpr std::size_t tile_elements = 512;   // of 16 bytes: all tiles together stay in the first-level cache

// Constant widths, restricted pointers and one simple inner loop: what the vectoriser understands. For wide elements it
// gives up, so their even and odd bytes are told apart first: two shuffles of elements half as wide.
template <std::size_t width>
void shuffle_tile(const std::byte* __restrict from, std::byte* __restrict to, std::size_t count,
                  std::size_t plane_distance) noexcept {
  if constexpr (width <= 4) {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t plane = 0; plane < width; ++plane) to[plane * plane_distance + i] = from[i * width + plane];
  } else {
    std::byte even[tile_elements * width / 2], odd[tile_elements * width / 2];
    for (std::size_t i = 0; i < count * width / 2; ++i) {
      even[i] = from[2 * i];
      odd[i] = from[2 * i + 1];
    }
    shuffle_tile<width / 2>(even, to, count, 2 * plane_distance);
    shuffle_tile<width / 2>(odd, to + plane_distance, count, 2 * plane_distance);
  }
}

template <std::size_t width>
void shuffle_elements(const std::byte* from, std::byte* to, std::size_t count) noexcept {
  for (std::size_t done = 0; done < count; done += tile_elements)
    shuffle_tile<width>(from + done * width, to + done, std::min(tile_elements, count - done), count);
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
