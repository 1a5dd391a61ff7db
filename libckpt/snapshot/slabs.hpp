// SPDX-License-Identifier: Apache-2.0
// How an array is cut into chunks that are contiguous in memory: chunk dimensions {1, …, 1, c, n, …, n}.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ckpt::snapshot {

struct Slabs {
  std::uint64_t element_bytes = 1;
  std::uint64_t axis = 0;             // the axis that is cut
  std::uint64_t row_bytes = 0;        // one index of that axis
  std::uint64_t rows = 0;             // its length
  std::uint64_t rows_per_chunk = 0;
  std::uint64_t groups = 0;           // combinations of the axes before it; 0: no elements, no chunks

  std::uint64_t chunks_per_group() const noexcept { return (rows + rows_per_chunk - 1) / rows_per_chunk; }
  std::uint64_t count() const noexcept { return groups == 0 ? 0 : groups * chunks_per_group(); }
  std::uint64_t chunk_bytes() const noexcept { return rows_per_chunk * row_bytes; }
  std::uint64_t chunk_elements() const noexcept { return chunk_bytes() / element_bytes; }

  struct Piece {
    std::uint64_t first_byte;   // in the array
    std::uint64_t bytes;        // less than chunk_bytes(): the rest of the chunk is padding
  };
  Piece piece(std::uint64_t chunk) const noexcept;

  // Chunk dimensions, and the coordinates of a chunk's first element, for a dataset of these dimensions.
  void chunk_dimensions(std::span<const std::uint64_t> dimensions, std::span<std::uint64_t> chunk) const noexcept;
  void chunk_offset(std::span<const std::uint64_t> dimensions, std::uint64_t chunk,
                    std::span<std::uint64_t> offset) const noexcept;
};

// Chunks of about target_bytes: at least half of it (unless the whole array is smaller), less than twice (unless one
// element is larger).
Slabs cut_into_slabs(std::span<const std::uint64_t> dimensions, std::uint64_t element_bytes,
                     std::uint64_t target_bytes) noexcept;

// The slabs that chunk dimensions found in a file describe; nothing when they are not contiguous in memory.
std::optional<Slabs> slabs_from_chunk(std::span<const std::uint64_t> dimensions, std::uint64_t element_bytes,
                                      std::span<const std::uint64_t> chunk) noexcept;

// The bytes of an array with these dimensions; nothing when that is more than memory can hold.
std::optional<std::uint64_t> array_bytes(std::span<const std::uint64_t> dimensions,
                                         std::uint64_t element_bytes) noexcept;

}  // namespace ckpt::snapshot
