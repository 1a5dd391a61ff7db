// SPDX-License-Identifier: Apache-2.0
#include "fault/fake_file.hpp"

#include <algorithm>
#include <cstring>

namespace ckpt::testing {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

FakeFile::~FakeFile() {
  if (closed_) return;
  const std::lock_guard lock(disk_.mutex_);
  disk_.tree_.closed(inode_);
}

int FakeFile::read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) {
  return disk_.call("read_at", path_, [&] {
    if (closed_ || mode_ == io::OpenMode::append) return EBADF;
    const std::string& content = inode().content;
    const std::size_t begin = std::min<std::uint64_t>(offset, content.size());
    const std::size_t length = std::min(to.size(), content.size() - begin);
    if (length > 0) std::memcpy(to.data(), content.data() + begin, length);
    bytes_read = length;
    return 0;
  });
}

int FakeFile::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  const auto write = [&](std::size_t length) {
    return closed_ || mode_ != io::OpenMode::create_new ? EBADF
                                                        : disk_.store(inode(), offset, text_of(from.first(length)));
  };
  return disk_.change("write_at", path_, [&] { return write(from.size()); }, [&] { return write(from.size() / 2); });
}

int FakeFile::append(std::span<const std::byte> from) {
  const auto write = [&](std::size_t length) {
    if (closed_ || mode_ != io::OpenMode::append) return EBADF;
    return disk_.store(inode(), inode().content.size(), text_of(from.first(length)));
  };
  return disk_.change("append", path_, [&] { return write(from.size()); }, [&] { return write(from.size() / 2); });
}

int FakeFile::size(std::uint64_t& bytes) {
  return disk_.call("size", path_, [&] {
    if (closed_) return EBADF;
    bytes = inode().content.size();
    return 0;
  });
}

int FakeFile::truncate(std::uint64_t bytes) {
  return disk_.change("truncate", path_, [&] {
    if (closed_) return EBADF;
    if (mode_ == io::OpenMode::read) return EINVAL;   // as ftruncate says it
    inode().content.resize(bytes);
    disk_.tree_.touch(inode());
    return 0;
  });
}

int FakeFile::sync() {
  const int error = disk_.call("sync", path_, [&] {
    if (closed_) return EBADF;
    disk_.tree_.sync(inode());
    return 0;
  });
  if (error) {
    const std::lock_guard lock(disk_.mutex_);
    inode().given_up = true;   // as Linux does: it forgets the pages it could not write, and the next fsync succeeds
  }
  return error;
}

int FakeFile::close() {
  return disk_.call("close", path_, [&] {
    if (closed_) return EBADF;
    closed_ = true;
    disk_.tree_.closed(inode_);
    return 0;
  });
}

}  // namespace ckpt::testing
