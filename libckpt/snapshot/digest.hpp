// SPDX-License-Identifier: Apache-2.0
// The digest of a snapshot: XXH3-128 over everything that is restored, in an order both sides know (docs/format.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "snapshot/format.hpp"
#include "snapshot/slabs.hpp"

namespace ckpt::snapshot {

class Digest {
 public:
  explicit Digest(const Header& header);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  // One dataset: "/meta", then "/state/<name>" sorted by name. One stored frame checksum per chunk, in their order.
  void add(std::string_view path, const ArrayInfo& array, const Slabs& slabs, std::span<const std::uint32_t> checksums);
  std::string hexadecimal() const;   // 32 digits

 private:
  void number(std::uint64_t value);
  void bytes(const void* data, std::size_t size);

  struct State;
  std::unique_ptr<State> state_;
};

// How the small values go into the file: an array of bytes outside /state.
ArrayInfo meta_info(std::uint64_t size_bytes);

}  // namespace ckpt::snapshot
