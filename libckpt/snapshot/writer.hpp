// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>

#include "io/file_system.hpp"
#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot {

// Where the bytes of an array come from: contiguous memory, or a function that copies a range of them out.
struct ArraySource {
  ArrayInfo info;
  const std::byte* contiguous = nullptr;                                           // or:
  std::function<void(std::uint64_t first_byte, std::span<std::byte> to)> copy_out; // thread-safe
};

struct WriteOptions {
  unsigned threads = 1;
  std::uint32_t permissions = 0600;
  std::uint64_t chunk_bytes = 1u << 20;         // chunks are balanced below twice this
  const std::atomic<bool>* cancel = nullptr;    // set to true: gives up soon with CKPT_ERR_SUPERSEDED
};

struct WriteResult {
  std::uint64_t state_bytes = 0;
  std::uint64_t file_bytes = 0;
};

// Writes the whole snapshot to `path`, which must not exist, and fsyncs it; publishing it is the caller's.
// On failure (I/O, memory, cancel) the file is removed again and an Error tells why.
WriteResult write_snapshot(io::FileSystem& fs, const std::string& path, const Header& header,
                           std::span<const ArraySource> arrays, const WriteOptions& options);

}  // namespace ckpt::snapshot
