// SPDX-License-Identifier: Apache-2.0
// Attributes of fixed length: unsigned integers, and UTF-8 text. (Variable-length text would live in HDF5's global
// heap, the one structure without a checksum.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "snapshot/hdf5.hpp"

namespace ckpt::snapshot {

void write_number(hid_t object, const char* name, std::uint64_t value);
void write_flag(hid_t object, const char* name);   // one byte, 1
void write_text(hid_t object, const char* name, std::string_view text);

bool has_attribute(hid_t object, const char* name);
// Nothing: not there, or of another type.
std::optional<std::uint64_t> read_number(hid_t object, const char* name);
std::optional<std::string> read_text(hid_t object, const char* name);

}  // namespace ckpt::snapshot
