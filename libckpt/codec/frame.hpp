// SPDX-License-Identifier: Apache-2.0
// One chunk <-> one standard zstd frame (RFC 8878) of its shuffled bytes, always with content size and checksum.
// Encoder and Decoder own their zstd contexts and scratch memory: one per thread, reused from chunk to chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ckpt::codec {

class Encoder {
 public:
  explicit Encoder(int level = 1);
  ~Encoder();
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;

  // The frame of `chunk`; valid until the next call. CKPT_ERR_MEMORY.
  std::span<const std::byte> encode(std::span<const std::byte> chunk, std::uint32_t element_size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Decodes exactly chunk.size() bytes. CKPT_ERR_DAMAGED: not one whole frame with checksum, another size than
  // chunk.size(), trailing bytes, or a wrong checksum. Never allocates more than a small multiple of chunk.size().
  void decode(std::span<const std::byte> frame, std::uint32_t element_size, std::span<std::byte> chunk);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// No frame of a chunk of this size is larger.
std::size_t largest_frame(std::size_t chunk_bytes) noexcept;
// The content checksum stored in the last four bytes of a frame (XXH64 of the content, low 32 bits, little-endian).
std::uint32_t stored_checksum(std::span<const std::byte> frame);   // CKPT_ERR_DAMAGED when it is too short to hold one

}  // namespace ckpt::codec
