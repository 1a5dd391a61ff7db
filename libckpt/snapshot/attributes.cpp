// SPDX-License-Identifier: Apache-2.0
#include "snapshot/attributes.hpp"

#include <algorithm>

#include "snapshot/format.hpp"

namespace ckpt::snapshot {
namespace {

void write_scalar(hid_t object, const char* name, hid_t stored, hid_t native, const void* value) {
  const Hid space(H5Screate(H5S_SCALAR), "make a dataspace");
  const Hid attribute(H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT), "create an attribute");
  must(H5Awrite(attribute, native, value), "write an attribute");
}

Hid open_scalar(hid_t object, const char* name) {
  if (!has_attribute(object, name)) return {};
  Hid attribute(H5Aopen(object, name, H5P_DEFAULT), "open an attribute");
  const Hid space(H5Aget_space(attribute), "open an attribute's dataspace");
  return must(H5Sget_simple_extent_npoints(space), "ask for an attribute's size") == 1 ? std::move(attribute) : Hid();
}

}  // namespace

void write_number(hid_t object, const char* name, std::uint64_t value) {
  write_scalar(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
}

void write_flag(hid_t object, const char* name) {
  const std::uint8_t set = 1;
  write_scalar(object, name, H5T_STD_U8LE, H5T_NATIVE_UINT8, &set);
}

void write_text(hid_t object, const char* name, std::string_view text) {
  const std::string content(text.empty() ? std::string_view("\0", 1) : text);   // HDF5 has no text of length 0
  const Hid type(H5Tcopy(H5T_C_S1), "make a datatype");
  must(H5Tset_size(type, content.size()), "make a datatype");
  must(H5Tset_strpad(type, H5T_STR_NULLPAD), "make a datatype");
  must(H5Tset_cset(type, H5T_CSET_UTF8), "make a datatype");
  write_scalar(object, name, type, type, content.data());
}

bool has_attribute(hid_t object, const char* name) {
  return must(H5Aexists(object, name), "look for an attribute") > 0;
}

std::optional<std::uint64_t> read_number(hid_t object, const char* name) {
  const Hid attribute = open_scalar(object, name);
  if (!attribute.valid()) return std::nullopt;
  const Hid type(H5Aget_type(attribute), "open an attribute's datatype");
  if (H5Tget_class(type) != H5T_INTEGER) return std::nullopt;
  std::uint64_t value = 0;
  must(H5Aread(attribute, H5T_NATIVE_UINT64, &value), "read an attribute");
  return value;
}

std::optional<std::string> read_text(hid_t object, const char* name) {
  const Hid attribute = open_scalar(object, name);
  if (!attribute.valid()) return std::nullopt;
  const Hid type(H5Aget_type(attribute), "open an attribute's datatype");
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return std::nullopt;
  const std::size_t bytes = H5Tget_size(type);
  if (bytes == 0 || bytes > format::longest_text) return std::nullopt;
  std::string text(bytes, '\0');
  must(H5Aread(attribute, type, text.data()), "read an attribute");
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace ckpt::snapshot
