// SPDX-License-Identifier: Apache-2.0
// TensorFlow's checkpoints: PREFIX.index is a table of LevelDB's kind whose values tell where in which PREFIX.data-…
// file each tensor is, with its CRC-32C. Blocks carry one, too.
#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "checkpoints/crc.hpp"
#include "checkpoints/formats.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t footer_bytes = 48, block_trailer_bytes = 5;
constexpr std::uint64_t table_mark = 0xdb4775248b80fb57u;

[[noreturn]] void damaged() { throw Broken{"its index is damaged"}; }

// CRCs that stand beside what they are of are stored so.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  damaged();
}

std::string_view take_bytes(std::string_view& bytes, std::uint64_t count) {
  if (count > bytes.size()) damaged();
  const std::string_view taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

std::string read_block(Bytes& file, std::string_view handle) {
  const std::uint64_t offset = take_varint(handle), length = take_varint(handle);
  if (length > file.size()) damaged();
  const std::string block = file.read(offset, length + block_trailer_bytes, "index");
  const std::string_view checked = std::string_view(block).substr(0, length + 1);
  if (masked(crc32c().of(checked)) != number_at<std::uint32_t>(block, length + 1))
    throw Broken{"its index does not match its checksum (CRC-32C)"};
  if (block[length] != 0) throw Broken{"its index is compressed, which this program cannot read"};
  return block.substr(0, length);
}

// Calls with each key and value of a block.
template <class Take>
void for_each_in(const std::string& block, Take take) {
  const std::uint64_t restarts = 4 * (std::uint64_t{number_at<std::uint32_t>(block, block.size() - 4)} + 1);
  if (block.size() < 4 || restarts > block.size()) damaged();
  std::string key;
  for (std::string_view rest = std::string_view(block).substr(0, block.size() - restarts); !rest.empty();) {
    const std::uint64_t shared = take_varint(rest), more = take_varint(rest), value = take_varint(rest);
    if (shared > key.size()) damaged();
    key.resize(shared);
    key += take_bytes(rest, more);
    take(key, take_bytes(rest, value));
  }
}

// Of the message BundleEntryProto: 1 type, 2 shape, 3 shard, 4 offset, 5 size, 6 CRC. Of BundleHeaderProto: 1 number of shards.
struct Fields {
  std::map<std::uint64_t, std::uint64_t> numbers;
  std::string_view shape;
  std::uint64_t operator[](std::uint64_t field) const {
    const auto found = numbers.find(field);
    return found == numbers.end() ? 0 : found->second;
  }
};

Fields parse_message(std::string_view bytes) {
  Fields fields;
  while (!bytes.empty()) {
    const std::uint64_t tag = take_varint(bytes);
    switch (tag & 7) {
      case 0: fields.numbers[tag >> 3] = take_varint(bytes); break;
      case 1: take_bytes(bytes, 8); break;
      case 2: {
        const std::string_view inner = take_bytes(bytes, take_varint(bytes));
        if (tag >> 3 == 2) fields.shape = inner;
        break;
      }
      case 5: fields.numbers[tag >> 3] = number_at<std::uint32_t>(take_bytes(bytes, 4), 0); break;
      default: damaged();
    }
  }
  return fields;
}

// Of TensorShapeProto, whose dimensions are messages in field 2 with the size in their field 1.
std::uint64_t count_elements(std::string_view shape, std::uint64_t most) {
  std::uint64_t count = 1;
  while (!shape.empty()) {
    const std::uint64_t tag = take_varint(shape);
    if ((tag & 7) != 2) {
      take_varint(shape);  // of unknown rank, which no stored tensor is
      continue;
    }
    const std::uint64_t size = parse_message(take_bytes(shape, take_varint(shape)))[1];
    if (size > 0 && count > most / size) damaged();
    count *= size;
  }
  return count;
}

// As WriteStringTensor of tensor_bundle.cc stores texts: all lengths, the CRC of these, all texts. For the CRC a length is a
// number of four bytes, or of eight where it needs them.
std::uint32_t crc_of_texts(std::string_view stored, std::uint64_t count) {
  std::uint32_t crc = 0;
  for (; count > 0; --count) {
    const std::uint64_t length = take_varint(stored);
    std::string number;
    for (int byte = 0; byte < (length >> 32 ? 8 : 4); ++byte) number += static_cast<char>(length >> 8 * byte);
    crc = crc32c().of(number, crc);
  }
  crc = crc32c().of(take_bytes(stored, sizeof crc), crc);
  return crc32c().of(stored, crc);
}

constexpr std::uint64_t text_type = 7, variant_type = 21;

std::uint32_t crc_of_tensor(Bytes& file, const Fields& entry) {
  const std::uint64_t offset = entry[4], bytes = entry[5];
  if (entry[1] != text_type) return crc32c().of(file, offset, bytes);
  return crc_of_texts(file.read(offset, bytes, "texts"), count_elements(entry.shape, bytes));
}

bool matches_checksum(Bytes& file, const Fields& entry) try {
  const bool is_known_how = entry[1] != variant_type && (entry[1] != text_type || entry[5] <= Bytes::most_at_once);
  return !entry.numbers.contains(6) || !is_known_how || masked(crc_of_tensor(file, entry)) == entry[6];
} catch (const Broken&) {
  return false;  // lengths of texts that lead beyond their end
}

// The files of the tensors, opened when first named.
class Shards {
 public:
  Shards(io::FileSystem& fs, std::string prefix) : fs_(fs), prefix_(std::move(prefix)) {}

  void set_count(std::uint64_t count) { count_ = count; }
  void check(const std::string& tensor, const Fields& entry) {
    Bytes& file = at(entry[3]);
    const std::uint64_t offset = entry[4], bytes = entry[5];
    if (offset > file.size() || bytes > file.size() - offset)
      throw Broken{fmt::format("{} ends before the tensor '{}'", name(entry[3]), tensor)};
    if ((content_ += bytes) > most_content_) throw Broken{"its tensors overlap"};
    if (!matches_checksum(file, entry))
      throw Broken{fmt::format("the tensor '{}' does not match its checksum (CRC-32C)", tensor)};
  }

 private:
  std::string name(std::uint64_t shard) const { return fmt::format("{}.data-{:05}-of-{:05}", prefix_, shard, count_); }
  Bytes& at(std::uint64_t shard) {
    if (const auto found = files_.find(shard); found != files_.end()) return found->second;
    io::FileInfo info;
    if (shard >= count_ || fs_.info(name(shard), info) != 0) throw Broken{fmt::format("{} is missing", name(shard))};
    most_content_ += info.size_bytes;
    return files_.try_emplace(shard, fs_, name(shard)).first->second;
  }

  io::FileSystem& fs_;
  std::string prefix_;
  std::uint64_t count_ = 0, content_ = 0, most_content_ = 0;
  std::map<std::uint64_t, Bytes> files_;
};

}  // namespace

Finding examine_tensorflow(io::FileSystem& fs, const std::string& prefix) {
  Bytes index(fs, prefix + ".index");
  if (index.size() < footer_bytes) throw Broken{"its index was cut short"};
  const std::string footer = index.read(index.size() - footer_bytes, footer_bytes, "index");
  if (number_at<std::uint64_t>(footer, footer_bytes - 8) != table_mark)
    throw Broken{"its index was cut short, or is still being written"};
  std::string_view handles = footer;
  take_varint(handles);  // of a block without meaning here
  take_varint(handles);
  Shards shards(fs, prefix);
  for_each_in(read_block(index, handles), [&](const std::string&, std::string_view handle) {
    for_each_in(read_block(index, handle), [&](const std::string& key, std::string_view value) {
      const Fields fields = parse_message(value);
      if (key.empty())
        shards.set_count(fields[1]);  // the header comes first
      else if (fields[5] > 0)
        shards.check(key, fields);
    });
  });
  return {Wholeness::whole, "TensorFlow", ""};
}

}  // namespace ckpt::checkpoints
