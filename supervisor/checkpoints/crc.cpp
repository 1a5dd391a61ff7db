// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/crc.hpp"

#include <algorithm>

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t summed_at_once_bytes = 1u << 20;

}  // namespace

Crc::Crc(std::uint32_t reversed_polynomial) noexcept {
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? reversed_polynomial : 0);
    tables_[0][byte] = value;
  }
  for (std::size_t table = 1; table < 8; ++table)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t value = tables_[table - 1][byte];
      tables_[table][byte] = (value >> 8) ^ tables_[0][value & 0xff];
    }
}

std::uint32_t Crc::of(std::string_view bytes, std::uint32_t before) const noexcept {
  std::uint32_t value = ~before;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    const auto low = number_at<std::uint32_t>(bytes, 0) ^ value, high = number_at<std::uint32_t>(bytes, 4);
    value = tables_[7][low & 0xff] ^ tables_[6][low >> 8 & 0xff] ^ tables_[5][low >> 16 & 0xff] ^
            tables_[4][low >> 24] ^ tables_[3][high & 0xff] ^ tables_[2][high >> 8 & 0xff] ^
            tables_[1][high >> 16 & 0xff] ^ tables_[0][high >> 24];
  }
  for (const char byte : bytes) value = (value >> 8) ^ tables_[0][(value ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~value;
}

std::uint32_t Crc::of(Bytes& file, std::uint64_t offset, std::uint64_t count) const {
  std::uint32_t value = 0;
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t now = std::min(summed_at_once_bytes, count - done);
    value = of(file.read(offset + done, now, "content"), value);
    done += now;
  }
  return value;
}

const Crc& crc32() {
  static const Crc crc(0xEDB88320u);
  return crc;
}

const Crc& crc32c() {
  static const Crc crc(0x82F63B78u);
  return crc;
}

}  // namespace ckpt::checkpoints
