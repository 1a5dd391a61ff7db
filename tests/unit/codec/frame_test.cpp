// SPDX-License-Identifier: Apache-2.0
#include "codec/frame.hpp"

#include <catch2/catch.hpp>
#include <zstd.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.hpp"

using namespace ckpt;
using namespace ckpt::codec;
using Bytes = std::vector<std::byte>;

namespace {

Bytes floats(std::size_t count) {
  Bytes bytes(count * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    const float value = std::sin(static_cast<float>(i)) / 3;
    std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
  }
  return bytes;
}

Bytes frame_of(const Bytes& chunk, std::uint32_t element_size) {
  Encoder encoder;
  const auto frame = encoder.encode(chunk, element_size);
  return {frame.begin(), frame.end()};
}

// The chunk, or nothing when the frame was found damaged; any other error is a failure of the test.
std::optional<Bytes> decoded(const Bytes& frame, std::uint32_t element_size, std::size_t size) {
  Bytes chunk(size);
  try {
    Decoder().decode(frame, element_size, chunk);
    return chunk;
  } catch (const Error& error) {
    CHECK(error.status() == CKPT_ERR_DAMAGED);
    return std::nullopt;
  }
}

Bytes compressed(const Bytes& content, bool checksum, bool content_size) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size);
  Bytes frame(ZSTD_compressBound(content.size()));
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return frame;
}

}  // namespace

TEST_CASE("a chunk comes back from its frame, whatever its size and its elements'") {
  Encoder encoder;
  Decoder decoder;
  for (const std::uint32_t element_size : {1, 2, 4, 8, 16})
    for (const std::size_t count : {1, 2, 100, 262144}) {
      const Bytes content = floats(count * 4);
      Bytes back(content.size());
      decoder.decode(encoder.encode(content, element_size), element_size, back);
      CHECK(back == content);
    }
}

TEST_CASE("a frame is standard zstd with content size and checksum") {
  const Bytes content = floats(1000);
  const Bytes frame = frame_of(content, 1);
  CHECK(ZSTD_getFrameContentSize(frame.data(), frame.size()) == content.size());
  Bytes back(content.size());
  REQUIRE(ZSTD_decompress(back.data(), back.size(), frame.data(), frame.size()) == content.size());
  CHECK(back == content);
}

TEST_CASE("every flipped bit of a frame is detected, or harmless") {
  for (const Bytes& content : {floats(40), Bytes(500, std::byte{7}), Bytes(1)}) {
    const Bytes frame = frame_of(content, 4);
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      Bytes damaged = frame;
      damaged[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      const auto back = decoded(damaged, 4, content.size());
      INFO("bit " << bit);
      CHECK((!back || *back == content));
    }
  }
}

TEST_CASE("every truncation of a frame is detected, and so is what follows it") {
  const Bytes content = floats(100);
  const Bytes frame = frame_of(content, 4);
  for (std::size_t size = 0; size < frame.size(); ++size)
    CHECK_FALSE(decoded(Bytes(frame.begin(), frame.begin() + size), 4, content.size()));
  for (const std::size_t more : {1u, 4u, 100u}) {
    Bytes longer = frame;
    longer.insert(longer.end(), more, std::byte{0});
    CHECK_FALSE(decoded(longer, 4, content.size()));
  }
  Bytes twice = frame;
  twice.insert(twice.end(), frame.begin(), frame.end());
  CHECK_FALSE(decoded(twice, 4, content.size()));
  CHECK_FALSE(decoded(twice, 4, 2 * content.size()));
  Bytes skippable = frame;   // zstd itself passes over what follows
  for (const int byte : {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}) skippable.push_back(std::byte(byte));
  CHECK_FALSE(decoded(skippable, 4, content.size()));
}

TEST_CASE("a frame of another size than its chunk is refused") {
  const Bytes content = floats(100);
  for (const std::size_t size : {content.size() - 1, content.size() + 1, std::size_t{0}})
    CHECK_FALSE(decoded(frame_of(content, 4), 4, size));
}

TEST_CASE("a frame that could not prove its content is refused") {
  const Bytes content = floats(100);
  CHECK(decoded(compressed(content, true, true), 1, content.size()) == content);
  CHECK_FALSE(decoded(compressed(content, false, true), 1, content.size()));
  CHECK_FALSE(decoded(compressed(content, true, false), 1, content.size()));
}

TEST_CASE("the stored checksum is the frame's last four bytes, little-endian") {
  Bytes frame(20);
  frame[16] = std::byte{0x78}, frame[17] = std::byte{0x56}, frame[18] = std::byte{0x34}, frame[19] = std::byte{0x12};
  CHECK(stored_checksum(frame) == 0x12345678u);
  CHECK_THROWS_AS(stored_checksum(std::span(frame).first(3)), Error);
}
