// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/bytes.hpp"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace ckpt::checkpoints {

Bytes::Bytes(io::FileSystem& fs, const std::string& path) : path_(path) {
  std::unique_ptr<io::File> file;
  int error = fs.open(path, io::OpenMode::read, 0, file);
  if (error == 0) error = file->size(size_);
  if (error != 0) fail_io(error, "cannot read '{}'", path);
  file_ = std::move(file);
}

Bytes::Bytes(const Bytes& whole, std::uint64_t begin, std::uint64_t size)
    : path_(whole.path_), file_(whole.file_), begin_(whole.begin_ + begin), size_(size) {}

std::string Bytes::read(std::uint64_t offset, std::uint64_t count, std::string_view what) {
  if (offset > size_ || count > size_ - offset)
    throw Broken{fmt::format("it ends after {}, before the end of its {}", format_size(size_), what)};
  if (count > most_at_once) throw Broken{fmt::format("its {} claims {}", what, format_size(count))};
  std::string bytes(count, '\0');
  take(offset, bytes.data(), count);
  return bytes;
}

std::string Bytes::head(std::uint64_t count) { return read(0, std::min(count, size_), "beginning"); }

// A file that becomes shorter meanwhile is one that is being written.
void Bytes::take(std::uint64_t offset, char* to, std::uint64_t count) {
  std::size_t taken = 0;
  const auto into = std::as_writable_bytes(std::span(to, count));
  if (const int error = file_->read_at(begin_ + offset, into, taken)) fail_io(error, "cannot read '{}'", path_);
  if (taken < count) throw Broken{"it became shorter while it was read"};
}

}  // namespace ckpt::checkpoints
