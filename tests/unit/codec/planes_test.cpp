// SPDX-License-Identifier: Apache-2.0
#include "codec/planes.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace ckpt::codec;
using Bytes = std::vector<std::byte>;

namespace {

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 256);
  return bytes;
}

}  // namespace

TEST_CASE("byte k of every element comes to lie next to each other, a short tail stays") {
  const Bytes from = counting(4 * 3 + 2);
  Bytes to(from.size());
  shuffle(from, 4, to);
  const std::size_t expected[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 13};
  for (std::size_t i = 0; i < to.size(); ++i) CHECK(to[i] == from[expected[i]]);
}

TEST_CASE("planes are where HDF5's shuffle puts them, for every element size and length") {
  for (const std::uint32_t width : {2, 3, 4, 8, 12, 16})
    for (const std::size_t count : {1, 2, 17, 511, 512, 513, 2000}) {
      const Bytes from = counting(width * count);
      Bytes to(from.size());
      shuffle(from, width, to);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t plane = 0; plane < width; ++plane) wrong += to[plane * count + i] != from[i * width + plane];
      CHECK(wrong == 0);
    }
}

TEST_CASE("unshuffling undoes shuffling for every element size and length") {
  for (const std::uint32_t element_size : {1, 2, 3, 4, 5, 8, 12, 16, 24})
    for (const std::size_t size : {0, 1, 2, 3, 15, 16, 17, 64, 1000, 4096, 65537}) {
      const Bytes from = counting(size);
      Bytes planes(size), back(size);
      shuffle(from, element_size, planes);
      unshuffle(planes, element_size, back);
      CHECK(back == from);
    }
}
