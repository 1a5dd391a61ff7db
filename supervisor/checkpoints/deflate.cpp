// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <string>

#include "base/error.hpp"
#include "checkpoints/crc.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t piece_bytes = 1u << 20;
constexpr int without_header = -MAX_WBITS;

class Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, without_header) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;

  void give(const std::string& input) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));  // it only reads
    stream_.avail_in = static_cast<uInt>(input.size());
  }
  // What comes next; empty: more input is needed, or nothing can come.
  std::string_view take() {
    stream_.next_out = reinterpret_cast<Bytef*>(room_.data());
    stream_.avail_out = static_cast<uInt>(room_.size());
    last_ = ::inflate(&stream_, Z_NO_FLUSH);
    return std::string_view(room_).substr(0, room_.size() - stream_.avail_out);
  }
  bool goes_on() const noexcept { return last_ == Z_OK || last_ == Z_BUF_ERROR; }
  bool is_at_end() const noexcept { return last_ == Z_STREAM_END && stream_.avail_in == 0; }

 private:
  z_stream stream_{};
  std::string room_ = std::string(piece_bytes, '\0');
  int last_ = Z_OK;
};

}  // namespace

std::uint32_t crc32_of_deflated(Bytes& file, std::uint64_t offset, std::uint64_t compressed, std::uint64_t bytes,
                                std::string_view what) {
  Inflater inflater;
  std::uint32_t crc = 0;
  std::uint64_t given = 0, found = 0;
  while (given < compressed && inflater.goes_on() && found <= bytes) {
    const std::string input = file.read(offset + given, std::min(piece_bytes, compressed - given), what);
    given += input.size();
    inflater.give(input);
    std::string_view out;
    do {
      out = inflater.take();
      found += out.size();
      crc = crc32().of(out, crc);
    } while (!out.empty() && inflater.goes_on() && found <= bytes);
  }
  if (given < compressed || found != bytes || !inflater.is_at_end())
    throw Broken{fmt::format("its {} cannot be unpacked: it is damaged", what)};
  return crc;
}

}  // namespace ckpt::checkpoints
