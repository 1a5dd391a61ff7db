// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/file_system.hpp"

namespace ckpt::io {

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, OpenMode mode) noexcept : descriptor_(descriptor), mode_(mode) {}   // takes the descriptor
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  int read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) override;
  int write_at(std::uint64_t offset, std::span<const std::byte> from) override;
  int append(std::span<const std::byte> from) override;
  int size(std::uint64_t& bytes) override;
  int truncate(std::uint64_t bytes) override;
  int sync() override;
  int close() override;

 private:
  int descriptor_;
  OpenMode mode_;
};

}  // namespace ckpt::io
