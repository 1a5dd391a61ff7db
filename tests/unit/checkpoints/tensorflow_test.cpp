// SPDX-License-Identifier: Apache-2.0
// Files as TensorFlow's BundleWriter lays them out: a table of LevelDB's kind, and the bytes of the tensors.
#include <catch2/catch.hpp>

#include "checkpoints/crc.hpp"
#include "checkpoints/finding.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

std::string fixed(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
  return text;
}

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 128; value >>= 7) text += static_cast<char>(value | 128);
  return text + static_cast<char>(value);
}

std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

class Table {
 public:
  void add(const std::string& key, const std::string& value) {
    std::size_t shared = 0;
    while (shared < std::min(key.size(), before_.size()) && key[shared] == before_[shared]) ++shared;
    block_ += varint(shared) + varint(key.size() - shared) + varint(value.size()) + key.substr(shared) + value;
    before_ = key;
  }
  std::string bytes() {
    std::string file;
    const std::string data = append(file, block_);
    const std::string index = append(file, varint(0) + varint(1) + varint(data.size()) + "z" + data),
                      meta = append(file, "");
    std::string footer = meta + index;
    footer.resize(40, '\0');
    return file + footer + fixed(0xdb4775248b80fb57u, 8);
  }

 private:
  static std::string append(std::string& file, std::string block) {  // answers its handle
    block += fixed(0, 4) + fixed(1, 4);                              // one restart, at 0
    const std::string handle = varint(file.size()) + varint(block.size());
    block += '\0';
    file += block + fixed(masked(crc32c().of(block)), 4);
    return handle;
  }

  std::string block_, before_;
};

std::string entry(int type, std::uint64_t offset, const std::string& content) {
  return "\x08" + varint(static_cast<std::uint64_t>(type)) + "\x20" + varint(offset) + "\x28" + varint(content.size()) +
         "\x35" + fixed(masked(crc32c().of(content)), 4);
}

struct Checkpoint {
  Folder folder;
  std::string weights = std::string(200, 'w'), bias = std::string(40, 'b'), variants = "another order", index;

  Checkpoint() {
    Table table;
    table.add("", "\x08\x01\x1a\x02\x08\x01");
    table.add("layer/bias", entry(1, 200, bias));
    table.add("layer/weights", entry(1, 0, weights));
    table.add("variants", entry(21, 240, "ANOTHER ORDER"));
    folder.write("ckpt-3.index", index = table.bytes());
    folder.write("ckpt-3.data-00000-of-00001", weights + bias + variants);
  }
  Finding examine() const { return checkpoints::examine(io::file_system(), folder.path("ckpt-3")); }
};

}  // namespace

TEST_CASE("an index whose tensors are all there and match their checksums is whole") {
  const Checkpoint checkpoint;
  INFO(checkpoint.examine().reason);
  CHECK(checkpoint.examine().state == Wholeness::whole);
  CHECK(checkpoint.examine().format == "TensorFlow");
}

TEST_CASE("a tensor that is damaged, cut short or missing is named") {
  const Checkpoint checkpoint;
  std::string bytes = checkpoint.weights + checkpoint.bias + checkpoint.variants;
  bytes[210] = 'x';
  checkpoint.folder.write("ckpt-3.data-00000-of-00001", bytes);
  CHECK(checkpoint.examine().reason == "the tensor 'layer/bias' does not match its checksum (CRC-32C)");
  checkpoint.folder.write("ckpt-3.data-00000-of-00001", bytes.substr(0, 230));
  CHECK(checkpoint.examine().reason.find("ends before the tensor 'layer/bias'") != std::string::npos);
  std::filesystem::remove(checkpoint.folder.path("ckpt-3.data-00000-of-00001"));
  CHECK(checkpoint.examine().reason.find("is missing") != std::string::npos);
}

TEST_CASE("of what TensorFlow itself has written every flipped byte of a tensor is found, texts included") {
  const Folder folder;
  const std::string data = "tensorflow.data-00000-of-00001", bytes = read_sample(data);
  folder.write("tensorflow.index", read_sample("tensorflow.index"));
  const auto examine_with = [&](const std::string& content) {
    folder.write(data, content);
    return checkpoints::examine(io::file_system(), folder.path("tensorflow"));
  };
  CHECK(examine_with(bytes).state == Wholeness::whole);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    INFO("byte " << at);
    CHECK(examine_with(flipped).state == Wholeness::broken);
    CHECK(examine_with(bytes.substr(0, at)).state == Wholeness::broken);
  }
}

TEST_CASE("an index that is cut short or flipped at any place is not whole") {
  const Checkpoint checkpoint;
  for (std::size_t at = 0; at < checkpoint.index.size(); ++at) {
    checkpoint.folder.write("ckpt-3.index", checkpoint.index.substr(0, at));
    CHECK(checkpoint.examine().state == Wholeness::broken);
    std::string flipped = checkpoint.index;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    checkpoint.folder.write("ckpt-3.index", flipped);
    static_cast<void>(checkpoint.examine());  // some bytes of the end mean nothing
  }
}
