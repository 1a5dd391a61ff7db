// SPDX-License-Identifier: Apache-2.0
// The classic scheme: pack a block of each factor so that the innermost loop reads memory in order, keep one tile of the
// product in registers, let the blocks fit the caches.
#include "matrix.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t tile_rows = 6, tile_columns = 16;   // 12 registers of 8 floats
constexpr std::size_t block_rows = 96, block_depth = 256; // of `a`: 96 KiB, stays in the second-level cache

using Vector = float __attribute__((vector_size(32)));

std::size_t round_up(std::size_t value, std::size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Panels of `width` lines (rows of a, columns of b), line by line within each depth; what is missing is zero.
void pack(const float* from, std::size_t lines, std::size_t line_stride, std::size_t depth, std::size_t depth_stride,
          std::size_t width, float* to) {
  for (std::size_t first = 0; first < lines; first += width) {
    const std::size_t count = std::min(width, lines - first);
    for (std::size_t k = 0; k < depth; ++k, to += width) {
      const float* source = from + first * line_stride + k * depth_stride;
      if (line_stride == 1 && count == width) {
        std::memcpy(to, source, width * sizeof(float));
        continue;
      }
      for (std::size_t i = 0; i < width; ++i) to[i] = i < count ? source[i * line_stride] : 0.0f;
    }
  }
}

[[gnu::always_inline]] inline void multiply_tile(const float* a, const float* b, std::size_t depth, float* tile) {
  Vector sum[tile_rows][2] = {};
  for (std::size_t k = 0; k < depth; ++k, a += tile_rows, b += tile_columns) {
    Vector low, high;
    std::memcpy(&low, b, sizeof low);
    std::memcpy(&high, b + 8, sizeof high);
#pragma GCC unroll 6
    for (std::size_t i = 0; i < tile_rows; ++i) {
      sum[i][0] += a[i] * low;
      sum[i][1] += a[i] * high;
    }
  }
  std::memcpy(tile, sum, sizeof sum);
}

void store_tile(const float* tile, float* to, std::size_t stride, std::size_t rows, std::size_t columns, bool add) {
  for (std::size_t i = 0; i < rows; ++i, tile += tile_columns, to += stride) {
    for (std::size_t j = 0; j < columns; ++j) to[j] = add ? to[j] + tile[j] : tile[j];
  }
}

FOR_SEVERAL_PROCESSORS
void multiply_block(const float* packed_a, const float* packed_b, std::size_t depth, float* to, std::size_t stride,
                    std::size_t rows, std::size_t columns, bool add) {
  alignas(32) float tile[tile_rows * tile_columns];
  for (std::size_t j = 0; j < columns; j += tile_columns) {
    for (std::size_t i = 0; i < rows; i += tile_rows) {
      multiply_tile(packed_a + i * depth, packed_b + j * depth, depth, tile);
      store_tile(tile, to + i * stride + j, stride, std::min(tile_rows, rows - i), std::min(tile_columns, columns - j),
                 add);
    }
  }
}

}  // namespace

void multiply(const Matrix& a, const Matrix& b, const Matrix& product) {
  static std::vector<float> packed_a, packed_b;   // kept from call to call: one thread
  packed_a.resize(block_rows * block_depth);
  packed_b.resize(std::max(packed_b.size(), round_up(b.columns, tile_columns) * block_depth));
  for (std::size_t k = 0; k < a.columns; k += block_depth) {
    const std::size_t depth = std::min(block_depth, a.columns - k);
    pack(b.data + k * b.row_stride, b.columns, b.column_stride, depth, b.row_stride, tile_columns, packed_b.data());
    for (std::size_t i = 0; i < a.rows; i += block_rows) {
      const std::size_t rows = std::min(block_rows, a.rows - i);
      pack(a.data + i * a.row_stride + k * a.column_stride, rows, a.row_stride, depth, a.column_stride, tile_rows,
           packed_a.data());
      multiply_block(packed_a.data(), packed_b.data(), depth, product.row(i), product.row_stride, rows, b.columns,
                     k > 0);
    }
  }
}
