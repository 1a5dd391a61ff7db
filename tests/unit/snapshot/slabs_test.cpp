// SPDX-License-Identifier: Apache-2.0
#include "snapshot/slabs.hpp"

#include <catch2/catch.hpp>

#include <numeric>

using namespace ckpt::snapshot;
using Dimensions = std::vector<std::uint64_t>;

namespace {

Dimensions chunk_of(const Slabs& slabs, const Dimensions& dimensions) {
  Dimensions chunk(dimensions.size());
  slabs.chunk_dimensions(dimensions, chunk);
  return chunk;
}

const Dimensions shapes[] = {
    {1},       {1000},    {7, 11, 13},   {1, 1, 999}, {300, 1}, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2},
    {64, 64},  {63, 65},  {5, 1, 5, 1, 5}, {100003},  {3, 100003}};

}  // namespace

TEST_CASE("the pieces of an array are contiguous, in order, and cover it once") {
  for (const auto& shape : shapes)
    for (const std::uint64_t target : {1u, 16u, 100u, 4096u, 1u << 20}) {
      const Slabs slabs = cut_into_slabs(shape, 4, target);
      std::uint64_t next = 0;
      for (std::uint64_t chunk = 0; chunk < slabs.count(); ++chunk) {
        const auto piece = slabs.piece(chunk);
        REQUIRE(piece.first_byte == next);
        REQUIRE(piece.bytes > 0);
        REQUIRE(piece.bytes <= slabs.chunk_bytes());
        next += piece.bytes;
      }
      CHECK(next == array_bytes(shape, 4));
    }
}

TEST_CASE("chunks have at least half the wanted size and less than twice that") {
  for (const auto& shape : shapes)
    for (const std::uint64_t target : {16u, 100u, 4096u}) {
      const Slabs slabs = cut_into_slabs(shape, 4, target);
      if (array_bytes(shape, 4) > target) CHECK(slabs.chunk_bytes() * 2 >= target);
      CHECK(slabs.chunk_bytes() < 2 * target);
    }
}

TEST_CASE("where a chunk begins in the array and where its piece begins in memory are the same place") {
  for (const auto& shape : shapes) {
    const Slabs slabs = cut_into_slabs(shape, 8, 64);
    for (std::uint64_t chunk = 0; chunk < slabs.count(); ++chunk) {
      Dimensions offset(shape.size());
      slabs.chunk_offset(shape, chunk, offset);
      std::uint64_t element = 0;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) element = element * shape[axis] + offset[axis];
      REQUIRE(element * 8 == slabs.piece(chunk).first_byte);
    }
  }
}

TEST_CASE("the chunk dimensions found in a file give back the slabs that wrote them") {
  for (const auto& shape : shapes)
    for (const std::uint64_t target : {1u, 16u, 100u, 4096u, 1u << 20}) {
      const Slabs written = cut_into_slabs(shape, 2, target);
      const auto read = slabs_from_chunk(shape, 2, chunk_of(written, shape));
      REQUIRE(read);
      CHECK(read->count() == written.count());
      CHECK(read->chunk_bytes() == written.chunk_bytes());
      for (std::uint64_t chunk = 0; chunk < written.count(); ++chunk)
        CHECK(read->piece(chunk).first_byte == written.piece(chunk).first_byte);
    }
}

TEST_CASE("chunk dimensions that are not contiguous in memory are refused") {
  CHECK_FALSE(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{2, 5}));
  CHECK_FALSE(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{11, 10}));
  CHECK_FALSE(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{0, 10}));
  CHECK_FALSE(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{10}));
  CHECK_FALSE(slabs_from_chunk(Dimensions{10, 0}, 4, Dimensions{1, 1}));
  CHECK(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{1, 7}));
  CHECK(slabs_from_chunk(Dimensions{10, 10}, 4, Dimensions{3, 10}));
}

TEST_CASE("an array with a zero in its shape has no chunks, a size beyond memory is none") {
  CHECK(cut_into_slabs(Dimensions{5, 0, 3}, 4, 100).count() == 0);
  CHECK(array_bytes(Dimensions{1ull << 40, 0}, 8) == 0u);
  CHECK_FALSE(array_bytes(Dimensions{1ull << 40, 1ull << 30}, 1));
  CHECK_FALSE(array_bytes(Dimensions{1ull << 62}, 4));
}
