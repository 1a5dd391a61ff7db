// SPDX-License-Identifier: Apache-2.0
#include "snapshot/slabs.hpp"

#include <algorithm>
#include <limits>

namespace ckpt::snapshot {
namespace {

std::uint64_t product(std::span<const std::uint64_t> lengths) noexcept {
  std::uint64_t result = 1;
  for (const std::uint64_t length : lengths) result *= length;
  return result;
}

bool empty(std::span<const std::uint64_t> dimensions) noexcept {
  return std::find(dimensions.begin(), dimensions.end(), 0u) != dimensions.end();
}

Slabs cut_at(std::span<const std::uint64_t> dimensions, std::uint64_t element_bytes, std::uint64_t axis) noexcept {
  Slabs slabs;
  slabs.element_bytes = element_bytes;
  slabs.axis = axis;
  slabs.row_bytes = product(dimensions.subspan(axis + 1)) * element_bytes;
  slabs.rows = dimensions[axis];
  slabs.groups = product(dimensions.first(axis));
  return slabs;
}

}  // namespace

Slabs::Piece Slabs::piece(std::uint64_t chunk) const noexcept {
  const std::uint64_t group = chunk / chunks_per_group();
  const std::uint64_t first_row = chunk % chunks_per_group() * rows_per_chunk;
  const std::uint64_t rows_here = std::min(rows_per_chunk, rows - first_row);
  return {(group * rows + first_row) * row_bytes, rows_here * row_bytes};
}

void Slabs::chunk_dimensions(std::span<const std::uint64_t> dimensions, std::span<std::uint64_t> chunk) const noexcept {
  for (std::size_t i = 0; i < dimensions.size(); ++i)
    chunk[i] = i < axis ? 1 : i == axis ? rows_per_chunk : dimensions[i];
}

void Slabs::chunk_offset(std::span<const std::uint64_t> dimensions, std::uint64_t chunk,
                         std::span<std::uint64_t> offset) const noexcept {
  std::fill(offset.begin(), offset.end(), 0u);
  offset[axis] = chunk % chunks_per_group() * rows_per_chunk;
  std::uint64_t group = chunk / chunks_per_group();
  for (std::uint64_t i = axis; i-- > 0; group /= dimensions[i]) offset[i] = group % dimensions[i];
}

Slabs cut_into_slabs(std::span<const std::uint64_t> dimensions, std::uint64_t element_bytes,
                     std::uint64_t target_bytes) noexcept {
  if (empty(dimensions)) return {.element_bytes = element_bytes};
  // The last axis along which a row still fits a chunk; rows before it would be too large.
  std::uint64_t axis = dimensions.size() - 1;
  std::uint64_t row_bytes = element_bytes;
  while (axis > 0 && row_bytes * dimensions[axis] <= target_bytes) row_bytes *= dimensions[axis--];
  Slabs slabs = cut_at(dimensions, element_bytes, axis);
  const std::uint64_t wanted = std::max<std::uint64_t>(1, (slabs.rows * row_bytes + target_bytes - 1) / target_bytes);
  slabs.rows_per_chunk = (slabs.rows + wanted - 1) / wanted;
  return slabs;
}

std::optional<Slabs> slabs_from_chunk(std::span<const std::uint64_t> dimensions, std::uint64_t element_bytes,
                                      std::span<const std::uint64_t> chunk) noexcept {
  if (empty(dimensions) || empty(chunk) || chunk.size() != dimensions.size()) return std::nullopt;
  std::size_t axis = 0;
  while (axis + 1 < dimensions.size() && chunk[axis] == 1) ++axis;
  if (chunk[axis] > dimensions[axis]) return std::nullopt;
  if (!std::equal(chunk.begin() + axis + 1, chunk.end(), dimensions.begin() + axis + 1)) return std::nullopt;
  Slabs slabs = cut_at(dimensions, element_bytes, axis);
  slabs.rows_per_chunk = chunk[axis];
  return slabs;
}

std::optional<std::uint64_t> array_bytes(std::span<const std::uint64_t> dimensions,
                                         std::uint64_t element_bytes) noexcept {
  if (empty(dimensions)) return 0;
  std::uint64_t bytes = element_bytes;
  for (const std::uint64_t length : dimensions)
    if (__builtin_mul_overflow(bytes, length, &bytes) || bytes > std::numeric_limits<std::int64_t>::max())
      return std::nullopt;
  return bytes;
}

}  // namespace ckpt::snapshot
