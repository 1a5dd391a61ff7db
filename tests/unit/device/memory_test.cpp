// SPDX-License-Identifier: Apache-2.0
#include "device/memory.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <numeric>

#include "base/error.hpp"

using namespace ckpt;
using Bytes = std::vector<std::byte>;

namespace {

ckpt_array make_array(void* data, ckpt_dtype dtype, std::vector<std::uint64_t> shape,
                      std::vector<std::int64_t> strides = {}) {
  ckpt_array array{};
  array.data = data;
  array.dtype = dtype;
  array.ndim = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), array.shape);
  std::copy(strides.begin(), strides.end(), array.strides);
  return array;
}

ckpt_status verdict(const ckpt_array& array) {
  try {
    device::check_array("weights", array);
    return CKPT_OK;
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("weights") != std::string::npos);
    return error.status();
  }
}

// What NumPy would call a view: elements in C order, found by their strides, one by one.
Bytes elements_in_order(const ckpt_array& array, std::size_t element_bytes) {
  Bytes all;
  std::vector<std::uint64_t> index(array.ndim, 0);
  for (std::uint64_t left = device::element_count(array); left > 0; --left) {
    auto* at = static_cast<const std::byte*>(array.data);
    for (int axis = 0; axis < array.ndim; ++axis) at += static_cast<std::int64_t>(index[axis]) * array.strides[axis];
    all.insert(all.end(), at, at + element_bytes);
    for (int axis = array.ndim - 1; axis >= 0 && ++index[axis] == array.shape[axis]; --axis) index[axis] = 0;
  }
  return all;
}

struct View {
  const char* name;
  ckpt_dtype dtype;
  std::size_t element_bytes;
  std::ptrdiff_t first;   // byte of the memory where element 0 lies
  std::vector<std::uint64_t> shape;
  std::vector<std::int64_t> strides;
};

const View views[] = {
    {"a column", CKPT_F32, 4, 8, {50}, {40}},
    {"a transposed matrix", CKPT_F64, 8, 0, {7, 11}, {8, 56}},
    {"a reversed vector", CKPT_I16, 2, 198, {100}, {-2}},
    {"rows with gaps", CKPT_F32, 4, 4, {9, 5}, {28, 4}},
    {"every other plane of three axes", CKPT_U8, 1, 0, {3, 4, 5}, {100, 5, 1}},
    {"an axis of length one with a wild stride", CKPT_U16, 2, 0, {6, 1, 5}, {30, 12345, 2}},
    {"strides that are no multiples of the element", CKPT_F32, 4, 1, {10, 3}, {17, 5}},
    {"both axes backwards", CKPT_C128, 16, 512, {3, 4}, {-128, -32}},
};

}  // namespace

TEST_CASE("any view is copied out as contiguous elements in C order, from any element on") {
  Bytes memory(4096);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 167 + i / 256);
  for (const View& view : views) {
    INFO(view.name);
    const ckpt_array array = make_array(memory.data() + view.first, view.dtype, view.shape, view.strides);
    REQUIRE(verdict(array) == CKPT_OK);
    CHECK_FALSE(device::is_contiguous(array));
    const Bytes expected = elements_in_order(array, view.element_bytes);
    REQUIRE(device::size_bytes(array) == expected.size());
    for (std::size_t first = 0; first < expected.size(); first += view.element_bytes) {
      const std::size_t size = std::min(expected.size() - first, 7 * view.element_bytes);
      Bytes out(size);
      device::copy_out(array, first, out);
      CHECK(std::memcmp(out.data(), expected.data() + first, size) == 0);
    }
  }
}

TEST_CASE("what is copied into a view lands in its elements and nowhere else") {
  for (const View& view : views) {
    INFO(view.name);
    Bytes memory(4096, std::byte{0xee}), new_bytes;
    const ckpt_array array = make_array(memory.data() + view.first, view.dtype, view.shape, view.strides);
    for (std::size_t i = 0; i < device::size_bytes(array); ++i) new_bytes.push_back(static_cast<std::byte>(i % 200));
    const std::size_t half = new_bytes.size() / view.element_bytes / 2 * view.element_bytes;
    device::copy_in(array, 0, std::span(new_bytes).first(half));
    device::copy_in(array, half, std::span(new_bytes).subspan(half));
    CHECK(elements_in_order(array, view.element_bytes) == new_bytes);
    const auto untouched = std::count(memory.begin(), memory.end(), std::byte{0xee});
    CHECK(untouched == static_cast<std::ptrdiff_t>(memory.size() - new_bytes.size()));
  }
}

TEST_CASE("contiguous arrays are recognised, with strides given or left out") {
  float data[24];
  CHECK(device::is_contiguous(make_array(data, CKPT_F32, {2, 3, 4})));
  CHECK(device::is_contiguous(make_array(data, CKPT_F32, {2, 3, 4}, {48, 16, 4})));
  CHECK(device::is_contiguous(make_array(data, CKPT_F32, {1, 24}, {7, 4})));
  CHECK(device::is_contiguous(make_array(data, CKPT_F32, {})));
  CHECK_FALSE(device::is_contiguous(make_array(data, CKPT_F32, {3, 2}, {4, 12})));
}

TEST_CASE("a scalar has one element, an array with a zero in its shape none") {
  double value = 2.5;
  const ckpt_array scalar = make_array(&value, CKPT_F64, {});
  CHECK(verdict(scalar) == CKPT_OK);
  CHECK(device::size_bytes(scalar) == 8);
  const ckpt_array empty = make_array(nullptr, CKPT_F64, {1ull << 60, 0, 1ull << 60});
  CHECK(verdict(empty) == CKPT_OK);
  CHECK(device::size_bytes(empty) == 0);
  device::copy_out(empty, 0, {});
}

TEST_CASE("nonsense in a ckpt_array is refused") {
  float data[16] = {};
  CHECK(verdict(make_array(nullptr, CKPT_F32, {4})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, static_cast<ckpt_dtype>(0), {4})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, static_cast<ckpt_dtype>(18), {4})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {1ull << 32, 1ull << 32})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {1ull << 61})) == CKPT_ERR_ARGUMENT);

  for (const int dimensions : {-1, CKPT_MAX_DIMS + 1}) {
    ckpt_array array = make_array(data, CKPT_F32, {4});
    array.ndim = dimensions;
    CHECK(verdict(array) == CKPT_ERR_ARGUMENT);
  }
  ckpt_array reserved = make_array(data, CKPT_F32, {4});
  reserved.reserved[3] = 1;
  CHECK(verdict(reserved) == CKPT_ERR_ARGUMENT);
}

TEST_CASE("strides that let elements share bytes are refused") {
  float data[64] = {};
  CHECK(verdict(make_array(data, CKPT_F32, {4, 4}, {0, 4})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {4}, {2})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {4, 4}, {12, 4})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {4}, {INT64_MIN})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {1ull << 40}, {1ll << 40})) == CKPT_ERR_ARGUMENT);
  CHECK(verdict(make_array(data, CKPT_F32, {4, 1}, {4, 0})) == CKPT_OK);
}

TEST_CASE("device memory is refused with its own status, never taken for host memory") {
  float data[4] = {};
  ckpt_array array = make_array(data, CKPT_F32, {4});
  array.device = CKPT_CUDA;
  CHECK(verdict(array) == CKPT_ERR_NO_DEVICE);
  array.device = 7;
  CHECK(verdict(array) == CKPT_ERR_ARGUMENT);
}
