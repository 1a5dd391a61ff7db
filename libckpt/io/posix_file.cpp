// SPDX-License-Identifier: Apache-2.0
#include "io/posix_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ckpt::io {
namespace {

// Calls write(from) until all is written; a call may be interrupted or write less than asked (signals, 2 GiB limit).
template <class Write>
int write_all(std::span<const std::byte> from, Write write) {
  while (!from.empty()) {
    const ssize_t written = write(from);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;   // not for a regular file; looping for ever would be worse
    from = from.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

PosixFile::~PosixFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int PosixFile::read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = ::pread(descriptor_, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes_read = done;
  return 0;
}

int PosixFile::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  if (mode_ == OpenMode::append) return EBADF;   // Linux would ignore the offset
  const std::byte* begin = from.data();
  return write_all(from, [&](std::span<const std::byte> rest) {
    const auto at = offset + static_cast<std::uint64_t>(rest.data() - begin);
    return ::pwrite(descriptor_, rest.data(), rest.size(), static_cast<off_t>(at));
  });
}

int PosixFile::append(std::span<const std::byte> from) {
  if (mode_ != OpenMode::append) return EBADF;
  return write_all(from, [this](std::span<const std::byte> rest) {
    return ::write(descriptor_, rest.data(), rest.size());
  });
}

int PosixFile::size(std::uint64_t& bytes) {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return errno;
  bytes = static_cast<std::uint64_t>(status.st_size);
  return 0;
}

int PosixFile::truncate(std::uint64_t bytes) {
  while (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// Not even EINTR is retried: a second fsync may report success for pages the first one has given up.
int PosixFile::sync() { return ::fsync(descriptor_) == 0 ? 0 : errno; }

int PosixFile::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor < 0) return EBADF;
  return ::close(descriptor) == 0 || errno == EINTR ? 0 : errno;   // Linux frees the descriptor even on EINTR
}

}  // namespace ckpt::io
