// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fault/fake_disk.hpp"

namespace ckpt::testing {

class FakeFile final : public io::File {
 public:
  FakeFile(FakeDisk& disk, std::uint64_t inode, std::string path, io::OpenMode mode)
      : disk_(disk), inode_(inode), path_(std::move(path)), mode_(mode) {}
  ~FakeFile() override;
  FakeFile(const FakeFile&) = delete;
  FakeFile& operator=(const FakeFile&) = delete;

  int read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) override;
  int write_at(std::uint64_t offset, std::span<const std::byte> from) override;
  int append(std::span<const std::byte> from) override;
  int size(std::uint64_t& bytes) override;
  int truncate(std::uint64_t bytes) override;
  int sync() override;
  int close() override;

 private:
  Inode& inode() { return disk_.tree_.at(inode_); }

  FakeDisk& disk_;
  std::uint64_t inode_;
  std::string path_;
  io::OpenMode mode_;
  bool closed_ = false;
};

}  // namespace ckpt::testing
