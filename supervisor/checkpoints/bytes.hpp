// SPDX-License-Identifier: Apache-2.0
// The bytes of one file that somebody else wrote, read by those who judge whether it is whole: bounds are checked here,
// and memory stays bounded whatever the file claims.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/file_system.hpp"

namespace ckpt::checkpoints {

// Proof that a checkpoint is not whole.
struct Broken {
  std::string reason;  // "it ends after 812 B, in the middle of its list of entries"
};

class Bytes {
 public:
  static constexpr std::uint64_t most_at_once = 64u << 20;

  Bytes(io::FileSystem& fs, const std::string& path);  // throws Error
  Bytes(const Bytes& whole, std::uint64_t begin, std::uint64_t size);  // a part of it

  std::uint64_t size() const noexcept { return size_; }
  // Exactly so many; Broken where the file has them not. `what`: for people.
  std::string read(std::uint64_t offset, std::uint64_t count, std::string_view what);
  std::string head(std::uint64_t count);  // as many as there are
  template <class Number>
  Number number(std::uint64_t offset, std::string_view what);  // little endian

 private:
  void take(std::uint64_t offset, char* to, std::uint64_t count);

  std::string path_;
  std::shared_ptr<io::File> file_;
  std::uint64_t begin_ = 0, size_ = 0;
};

// In bytes that were read already; 0 beyond their end.
template <class Number>
Number number_at(std::string_view bytes, std::size_t offset) noexcept {
  Number value = 0;
  if (offset > bytes.size() || bytes.size() - offset < sizeof(Number)) return 0;
  for (std::size_t i = sizeof(Number); i-- > 0;)
    value = static_cast<Number>((value << 8 * (sizeof(Number) > 1)) | static_cast<unsigned char>(bytes[offset + i]));
  return value;
}

template <class Number>
Number Bytes::number(std::uint64_t offset, std::string_view what) {
  return number_at<Number>(read(offset, sizeof(Number), what), 0);
}

}  // namespace ckpt::checkpoints
