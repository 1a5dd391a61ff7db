// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/file_system.hpp"

namespace ckpt::testing {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Up to `length` bytes at `offset`, as text; "errno N" when reading fails.
inline std::string text_at(io::File& file, std::uint64_t offset, std::size_t length) {
  std::string text(length, '?');
  std::size_t bytes_read = 0;
  if (int error = file.read_at(offset, std::as_writable_bytes(std::span(text)), bytes_read))
    return "errno " + std::to_string(error);
  return text.substr(0, bytes_read);
}

// A file opened for a test that needs it open: nullptr when that fails.
inline std::unique_ptr<io::File> open_file(io::FileSystem& fs, const std::string& path, io::OpenMode mode) {
  std::unique_ptr<io::File> file;
  return fs.open(path, mode, 0600, file) == 0 ? std::move(file) : nullptr;
}

}  // namespace ckpt::testing
