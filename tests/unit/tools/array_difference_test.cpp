// SPDX-License-Identifier: Apache-2.0
#include "tools/array_difference.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace ckpt::tools {
namespace {

template <class T>
ArrayDifference between(ckpt_dtype dtype, const std::vector<T>& a, const std::vector<T>& b) {
  return difference(dtype, std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

// Of one element each, given by its bits.
template <class Bits>
double distance(ckpt_dtype dtype, Bits a, Bits b) {
  return static_cast<double>(between<Bits>(dtype, {a}, {b}).largest);
}

}  // namespace

TEST_CASE("arrays of equal bytes do not differ, those of no elements neither") {
  CHECK(between<float>(CKPT_F32, {1, NAN}, {1, NAN}).elements == 0);
  CHECK(between<float>(CKPT_F32, {}, {}).elements == 0);
}

TEST_CASE("it is counted how many elements differ, where the first, and where the largest difference is") {
  const auto found = between<float>(CKPT_F32, {1, 2, 3, 4}, {1, 2.5, 3, 1});
  CHECK(found.elements == 2);
  CHECK(found.first == 1);
  CHECK(found.largest_at == 3);
  CHECK(found.largest == 3);
  CHECK(found.largest_relative == Approx(0.75));
}

TEST_CASE("whole numbers of 64 bits are compared exactly, across signs") {
  CHECK(between<std::uint64_t>(CKPT_U64, {UINT64_MAX}, {UINT64_MAX - 1}).largest == 1);
  CHECK(between<std::int64_t>(CKPT_I64, {INT64_MIN}, {INT64_MAX}).largest == static_cast<long double>(UINT64_MAX));
}

TEST_CASE("what is no number lies infinitely far from what is one, and at no distance from the like") {
  CHECK(std::isinf(between<double>(CKPT_F64, {NAN}, {1}).largest));
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(std::isinf(between<double>(CKPT_F64, {infinity}, {-infinity}).largest));
  CHECK(std::isinf(between<double>(CKPT_F64, {infinity}, {1}).largest_relative));
}

TEST_CASE("zeros of both signs differ in their bytes, and by nothing") {
  const auto found = between<double>(CKPT_F64, {0.0}, {-0.0});
  CHECK(found.elements == 1);
  CHECK(found.largest == 0);
  CHECK(found.largest_relative == 0);
}

TEST_CASE("complex numbers differ by the modulus") {
  CHECK(between<float>(CKPT_C64, {1, 1}, {4, 5}).largest == 5);
  CHECK(between<double>(CKPT_C128, {1, 1}, {4, 5}).largest == 5);
}

// Bit patterns with their values: IEEE 754-2019 binary16; bfloat16 is the upper half of binary32; OCP 8-bit formats.
TEST_CASE("small floating-point numbers have the values of their formats") {
  CHECK(distance<std::uint16_t>(CKPT_F16, 0x3c00, 0xc000) == 3);             // 1, -2
  CHECK(distance<std::uint16_t>(CKPT_F16, 0x0001, 0) == std::ldexp(1, -24));   // the smallest subnormal
  CHECK(distance<std::uint16_t>(CKPT_F16, 0x7bff, 0) == 65504);
  CHECK(std::isinf(distance<std::uint16_t>(CKPT_F16, 0x7c00, 0)));
  CHECK(distance<std::uint16_t>(CKPT_BF16, 0x3f80, 0x4040) == 2);            // 1, 3
  CHECK(distance<std::uint8_t>(CKPT_F8E4M3, 0x7e, 0) == 448);
  CHECK(distance<std::uint8_t>(CKPT_F8E4M3, 0x01, 0) == std::ldexp(1, -9));
  CHECK(std::isinf(distance<std::uint8_t>(CKPT_F8E4M3, 0x7f, 0)));           // no number
  CHECK(distance<std::uint8_t>(CKPT_F8E5M2, 0x7b, 0) == 57344);
  CHECK(std::isinf(distance<std::uint8_t>(CKPT_F8E5M2, 0xfc, 0)));           // minus infinity
}

}  // namespace ckpt::tools
