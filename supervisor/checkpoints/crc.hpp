// SPDX-License-Identifier: Apache-2.0
// The two checksums that checkpoints carry: CRC-32 (zip: PyTorch, Keras, NumPy) and CRC-32C (TensorFlow). Here and not from
// a library: zlib knows the first only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "checkpoints/bytes.hpp"

namespace ckpt::checkpoints {

class Crc {
 public:
  explicit Crc(std::uint32_t reversed_polynomial) noexcept;
  std::uint32_t of(std::string_view bytes, std::uint32_t before = 0) const noexcept;  // `before`: of what came before
  std::uint32_t of(Bytes& file, std::uint64_t offset, std::uint64_t count) const;

 private:
  std::array<std::array<std::uint32_t, 256>, 8> tables_;
};

const Crc& crc32();
const Crc& crc32c();

}  // namespace ckpt::checkpoints
