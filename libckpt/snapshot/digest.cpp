// SPDX-License-Identifier: Apache-2.0
#include "snapshot/digest.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <new>

namespace ckpt::snapshot {

static_assert(std::endian::native == std::endian::little, "numbers go into digest and file as they are in memory");

struct Digest::State {
  struct Free {
    void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> hash{XXH3_createState()};
};

Digest::Digest(const Header& header) : state_(std::make_unique<State>()) {
  if (!state_->hash) throw std::bad_alloc();
  XXH3_128bits_reset(state_->hash.get());
  for (const std::uint64_t value : {header.step, header.block, header.rank, header.ranks}) number(value);
}
Digest::~Digest() = default;

void Digest::bytes(const void* data, std::size_t size) { XXH3_128bits_update(state_->hash.get(), data, size); }
void Digest::number(std::uint64_t value) { bytes(&value, sizeof value); }

void Digest::add(std::string_view path, const ArrayInfo& array, const Slabs& slabs,
                 std::span<const std::uint32_t> checksums) {
  number(path.size());
  bytes(path.data(), path.size());
  number(static_cast<std::uint64_t>(array.dtype));
  number(static_cast<std::uint64_t>(format::kind_of(array)));
  const auto dimensions = format::dataset_dimensions(array);
  number(dimensions.size());
  for (const std::uint64_t length : dimensions) number(length);
  number(slabs.chunk_elements());
  number(checksums.size());
  bytes(checksums.data(), checksums.size_bytes());
}

std::string Digest::hexadecimal() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

ArrayInfo meta_info(std::uint64_t size_bytes) { return {.name = "", .dtype = CKPT_U8, .shape = {size_bytes}}; }

}  // namespace ckpt::snapshot
