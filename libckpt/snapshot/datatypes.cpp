// SPDX-License-Identifier: Apache-2.0
#include "snapshot/datatypes.hpp"

namespace ckpt::snapshot {
namespace {

// IEEE binary16, which HDF5 names only since 1.14.4: sign bit 15, exponent bits 10-14 with bias 15, mantissa below.
Hid make_half() {
  Hid half(H5Tcopy(H5T_IEEE_F32LE), "make a datatype");
  must(H5Tset_fields(half, 15, 10, 5, 0, 10), "make a datatype");
  must(H5Tset_size(half, 2), "make a datatype");
  must(H5Tset_ebias(half, 15), "make a datatype");
  return half;
}

// As h5py stores complex numbers.
Hid make_complex(hid_t part) {
  const std::size_t part_bytes = H5Tget_size(part);
  Hid complex(H5Tcreate(H5T_COMPOUND, 2 * part_bytes), "make a datatype");
  must(H5Tinsert(complex, "r", 0, part), "make a datatype");
  must(H5Tinsert(complex, "i", part_bytes, part), "make a datatype");
  return complex;
}

Hid make(ckpt_dtype dtype) {
  const auto copy = [](hid_t standard) { return Hid(H5Tcopy(standard), "make a datatype"); };
  switch (dtype) {
    case CKPT_U8: case CKPT_F8E4M3: case CKPT_F8E5M2: case CKPT_BOOL: return copy(H5T_STD_U8LE);
    case CKPT_U16: case CKPT_BF16: return copy(H5T_STD_U16LE);
    case CKPT_I8: return copy(H5T_STD_I8LE);
    case CKPT_I16: return copy(H5T_STD_I16LE);
    case CKPT_U32: return copy(H5T_STD_U32LE);
    case CKPT_I32: return copy(H5T_STD_I32LE);
    case CKPT_U64: return copy(H5T_STD_U64LE);
    case CKPT_I64: return copy(H5T_STD_I64LE);
    case CKPT_F16: return make_half();
    case CKPT_F32: return copy(H5T_IEEE_F32LE);
    case CKPT_F64: return copy(H5T_IEEE_F64LE);
    case CKPT_C64: return make_complex(H5T_IEEE_F32LE);
    case CKPT_C128: return make_complex(H5T_IEEE_F64LE);
  }
  return {};
}

std::optional<ckpt_dtype> integer_of(std::size_t bytes, H5T_sign_t sign) noexcept {
  const bool is_signed = sign == H5T_SGN_2;
  switch (bytes) {
    case 1: return is_signed ? CKPT_I8 : CKPT_U8;
    case 2: return is_signed ? CKPT_I16 : CKPT_U16;
    case 4: return is_signed ? CKPT_I32 : CKPT_U32;
    case 8: return is_signed ? CKPT_I64 : CKPT_U64;
    default: return std::nullopt;
  }
}

// By class and size only; natural() compares the rest.
std::optional<ckpt_dtype> guess(hid_t datatype) {
  const std::size_t bytes = H5Tget_size(datatype);
  switch (H5Tget_class(datatype)) {
    case H5T_INTEGER: return integer_of(bytes, H5Tget_sign(datatype));
    case H5T_FLOAT:
      if (bytes == 2) return CKPT_F16;
      if (bytes == 4) return CKPT_F32;
      if (bytes == 8) return CKPT_F64;
      return std::nullopt;
    case H5T_COMPOUND:
      if (bytes == 8) return CKPT_C64;
      if (bytes == 16) return CKPT_C128;
      return std::nullopt;
    default: return std::nullopt;
  }
}

bool tagged(ckpt_dtype dtype) noexcept {
  return dtype == CKPT_BF16 || dtype == CKPT_F8E4M3 || dtype == CKPT_F8E5M2 || dtype == CKPT_BOOL;
}

}  // namespace

hid_t Datatypes::stored(ckpt_dtype dtype) {
  Hid& type = made_.at(dtype);
  if (!type.valid()) type = make(dtype);
  return type;
}

std::optional<ckpt_dtype> Datatypes::natural(hid_t datatype) {
  const auto dtype = guess(datatype);
  if (!dtype || must(H5Tequal(datatype, stored(*dtype)), "compare datatypes") == 0) return std::nullopt;
  return dtype;
}

std::string_view tag_of(ckpt_dtype dtype) noexcept {
  const DtypeInfo* info = tagged(dtype) ? find_dtype(static_cast<int>(dtype)) : nullptr;
  return info ? info->name : std::string_view();
}

std::optional<ckpt_dtype> from_tag(ckpt_dtype integer, std::string_view tag) noexcept {
  const DtypeInfo* info = find_dtype(tag);
  if (!info || !tagged(info->dtype)) return std::nullopt;
  if (integer != (info->size_bytes == 1 ? CKPT_U8 : CKPT_U16)) return std::nullopt;
  return info->dtype;
}

}  // namespace ckpt::snapshot
