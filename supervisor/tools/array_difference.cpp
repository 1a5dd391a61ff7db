// SPDX-License-Identifier: Apache-2.0
#include "tools/array_difference.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>

#include "base/dtype.hpp"

namespace ckpt::tools {
namespace {

using Value = std::complex<long double>;   // holds every integer of 64 bits exactly

template <class T>
Value number(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<long double>(value);
}

template <class T>
Value complex_number(const std::byte* at) {
  return {number<T>(at).real(), number<T>(at + sizeof(T)).real()};
}

// Floating point in 8 or 16 bits: a sign, then exponent and mantissa of so many bits, laid out as in IEEE 754.
struct SmallFloat {
  int exponent_bits, mantissa_bits;
  bool has_infinity;   // f8e4m3 has none, and no number but where all bits are set (OCP 8-bit floating point, 2023)

  Value value(std::uint32_t bits) const {
    const std::uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    const int exponent_mask = (1 << exponent_bits) - 1, bias = exponent_mask >> 1;
    const int exponent = static_cast<int>(bits >> mantissa_bits) & exponent_mask;
    const long double sign = (bits >> (exponent_bits + mantissa_bits)) & 1 ? -1 : 1;
    if (exponent == exponent_mask) {
      if (has_infinity && mantissa == 0) return sign * std::numeric_limits<long double>::infinity();
      if (has_infinity || mantissa + 1 == 1u << mantissa_bits) return std::numeric_limits<long double>::quiet_NaN();
    }
    const std::uint32_t whole = exponent == 0 ? mantissa : mantissa | 1u << mantissa_bits;   // subnormal or not
    return sign * std::ldexp(static_cast<long double>(whole), std::max(exponent, 1) - bias - mantissa_bits);
  }
};

constexpr SmallFloat f16{5, 10, true}, bf16{8, 7, true}, f8e4m3{4, 3, false}, f8e5m2{5, 2, true};

template <const SmallFloat& format, class Bits>
Value small_number(const std::byte* at) {
  Bits bits;
  std::memcpy(&bits, at, sizeof bits);
  return format.value(bits);
}

using Decode = Value (*)(const std::byte*);

Decode decoder(ckpt_dtype dtype) {
  switch (dtype) {
    case CKPT_I8: return number<std::int8_t>;
    case CKPT_U16: return number<std::uint16_t>;
    case CKPT_I16: return number<std::int16_t>;
    case CKPT_U32: return number<std::uint32_t>;
    case CKPT_I32: return number<std::int32_t>;
    case CKPT_U64: return number<std::uint64_t>;
    case CKPT_I64: return number<std::int64_t>;
    case CKPT_F16: return small_number<f16, std::uint16_t>;
    case CKPT_F32: return number<float>;
    case CKPT_F64: return number<double>;
    case CKPT_BF16: return small_number<bf16, std::uint16_t>;
    case CKPT_F8E4M3: return small_number<f8e4m3, std::uint8_t>;
    case CKPT_F8E5M2: return small_number<f8e5m2, std::uint8_t>;
    case CKPT_C64: return complex_number<float>;
    case CKPT_C128: return complex_number<double>;
    default: return number<std::uint8_t>;   // CKPT_U8, CKPT_BOOL
  }
}

long double distance(Value a, Value b) {
  const long double apart = std::abs(a - b);
  if (!std::isnan(apart)) return apart;
  return a == b ? 0 : std::numeric_limits<long double>::infinity();   // the same infinity twice
}

}  // namespace

ArrayDifference difference(ckpt_dtype dtype, std::span<const std::byte> a, std::span<const std::byte> b) {
  ArrayDifference found;
  if (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0) return found;
  const Decode decode = decoder(dtype);
  const std::size_t width = dtype_info(dtype).size_bytes;
  for (std::size_t at = 0; at < a.size(); at += width) {
    if (std::memcmp(&a[at], &b[at], width) == 0) continue;
    if (found.elements++ == 0) found.first = found.largest_at = at / width;
    const Value x = decode(&a[at]), y = decode(&b[at]);
    const long double apart = distance(x, y);
    if (apart == 0) continue;
    const long double relative = std::isinf(apart) ? apart : apart / std::max(std::abs(x), std::abs(y));
    found.largest_relative = std::max(found.largest_relative, relative);
    if (apart <= found.largest) continue;
    found.largest = apart;
    found.largest_at = at / width;
  }
  return found;
}

}  // namespace ckpt::tools
