// SPDX-License-Identifier: Apache-2.0
// Dense float matrices on one thread: enough linear algebra for a multi-layer perceptron, no library needed.
#pragma once

#include <cstddef>

// Functions marked so are compiled twice, and the loader picks what the processor can do. (Sanitizers start too late for
// that kind of choice.)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FOR_SEVERAL_PROCESSORS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_SEVERAL_PROCESSORS
#endif

// A view: the numbers belong to somebody else.
struct Matrix {
  float* data;
  std::size_t rows, columns;
  std::size_t row_stride, column_stride;   // in elements

  Matrix(float* numbers, std::size_t row_count, std::size_t column_count)
      : data(numbers), rows(row_count), columns(column_count), row_stride(column_count), column_stride(1) {}

  Matrix transposed() const {
    Matrix result(data, columns, rows);
    result.row_stride = column_stride;
    result.column_stride = row_stride;
    return result;
  }
  float* row(std::size_t index) const { return data + index * row_stride; }
};

// product = a · b. `product` is contiguous. The order of every sum is fixed: the same input gives the same bits.
void multiply(const Matrix& a, const Matrix& b, const Matrix& product);
