// SPDX-License-Identifier: Apache-2.0
#include "codec/frame.hpp"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.hpp"
#include "codec/planes.hpp"

namespace ckpt::codec {
namespace {

// RFC 8878, 3.1.1: magic number, then the frame header descriptor, whose bit 2 says that a checksum ends the frame.
constexpr std::size_t descriptor_offset = 4;
constexpr unsigned checksum_bit = 1u << 2;
constexpr std::size_t checksum_bytes = 4;
constexpr std::size_t smallest_frame = descriptor_offset + 1 + 1 + 3 + checksum_bytes;   // content size, empty block

std::uint32_t little_endian(const std::byte* at) noexcept {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(at[i]);
  return value;
}

// Grown, never shrunk: one allocation in the life of a thread.
std::span<std::byte> at_least(std::vector<std::byte>& memory, std::size_t bytes) {
  if (memory.size() < bytes) memory.resize(bytes);
  return {memory.data(), bytes};
}

template <class Context>
Context* made(Context* context) {
  if (!context) fail(CKPT_ERR_MEMORY, "no memory for a zstd context");
  return context;
}

void check_header(std::span<const std::byte> frame, std::size_t content_bytes) {
  if (frame.size() < smallest_frame || little_endian(frame.data()) != ZSTD_MAGICNUMBER)
    fail(CKPT_ERR_DAMAGED, "not a zstd frame");
  if (!(std::to_integer<unsigned>(frame[descriptor_offset]) & checksum_bit))
    fail(CKPT_ERR_DAMAGED, "a frame without checksum");
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != content_bytes)
    fail(CKPT_ERR_DAMAGED, "a frame whose content has another size than its chunk");
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    fail(CKPT_ERR_DAMAGED, "not exactly one whole frame");
}

}  // namespace

struct Encoder::Impl {
  struct Free {
    void operator()(ZSTD_CCtx* owned) const noexcept { ZSTD_freeCCtx(owned); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{made(ZSTD_createCCtx())};
  std::vector<std::byte> planes, frame;
};

Encoder::Encoder(int level) : impl_(std::make_unique<Impl>()) {
  ZSTD_CCtx_setParameter(impl_->context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(impl_->context.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(impl_->context.get(), ZSTD_c_contentSizeFlag, 1);
}
Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

std::span<const std::byte> Encoder::encode(std::span<const std::byte> chunk, std::uint32_t element_size) {
  if (element_size > 1) {
    const auto planes = at_least(impl_->planes, chunk.size());
    shuffle(chunk, element_size, planes);
    chunk = planes;
  }
  const auto frame = at_least(impl_->frame, ZSTD_compressBound(chunk.size()));
  const std::size_t bytes =
      ZSTD_compress2(impl_->context.get(), frame.data(), frame.size(), chunk.data(), chunk.size());
  // With room for the bound and valid parameters memory is all that can run out.
  if (ZSTD_isError(bytes)) fail(CKPT_ERR_MEMORY, "zstd cannot compress a chunk: {}", ZSTD_getErrorName(bytes));
  return frame.first(bytes);
}

struct Decoder::Impl {
  struct Free {
    void operator()(ZSTD_DCtx* owned) const noexcept { ZSTD_freeDCtx(owned); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context{made(ZSTD_createDCtx())};
  std::vector<std::byte> planes;
};

Decoder::Decoder() : impl_(std::make_unique<Impl>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

void Decoder::decode(std::span<const std::byte> frame, std::uint32_t element_size, std::span<std::byte> chunk) {
  check_header(frame, chunk.size());
  const auto content = element_size > 1 ? at_least(impl_->planes, chunk.size()) : chunk;
  // In one call zstd decodes into `content` itself: no window is allocated, whatever the header asks for.
  const std::size_t bytes =
      ZSTD_decompressDCtx(impl_->context.get(), content.data(), content.size(), frame.data(), frame.size());
  if (ZSTD_isError(bytes)) {
    const bool memory = ZSTD_getErrorCode(bytes) == ZSTD_error_memory_allocation;
    fail(memory ? CKPT_ERR_MEMORY : CKPT_ERR_DAMAGED, "zstd: {}", ZSTD_getErrorName(bytes));
  }
  if (bytes != chunk.size()) fail(CKPT_ERR_DAMAGED, "a frame shorter than its header says");
  if (element_size > 1) unshuffle(content, element_size, chunk);
}

std::size_t largest_frame(std::size_t chunk_bytes) noexcept { return ZSTD_compressBound(chunk_bytes); }

std::uint32_t stored_checksum(std::span<const std::byte> frame) {
  if (frame.size() < smallest_frame) fail(CKPT_ERR_DAMAGED, "a frame too short to hold a checksum");
  return little_endian(frame.data() + frame.size() - checksum_bytes);
}

}  // namespace ckpt::codec
