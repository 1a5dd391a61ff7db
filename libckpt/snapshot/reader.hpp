// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot {

// Where the bytes of an array go: contiguous memory, or a function that takes a range of them.
struct ArrayTarget {
  std::byte* contiguous = nullptr;                                                          // or:
  std::function<void(std::uint64_t first_byte, std::span<const std::byte> from)> copy_in;   // thread-safe; or neither
};

// An open snapshot. Errors: CKPT_ERR_DAMAGED only where content is proven wrong (checksum, structure, length, or not a
// snapshot at all); CKPT_ERR_FORMAT for a newer version; CKPT_ERR_IO and its kin when the storage failed (retried by
// the caller, with a new Reader: this one stays failed); CKPT_ERR_NOT_FOUND when the file is not there;
// CKPT_ERR_MEMORY. Text names the file. One thread at a time.
class Reader {
 public:
  Reader(io::FileSystem& fs, const std::string& path);   // opens, reads header and list of arrays
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  const std::string& path() const noexcept;
  const Header& header() const noexcept;                  // meta included
  const std::vector<ArrayInfo>& arrays() const noexcept;  // sorted by name
  std::uint64_t file_bytes() const noexcept;
  std::uint64_t state_bytes() const noexcept;

  // Decodes every chunk of every array into its target (targets[i] belongs to arrays()[i]), verifies each chunk's
  // checksum and the digest over all. When it throws, the targets are undefined.
  void read_all(std::span<const ArrayTarget> targets, unsigned threads);
  // One array, its chunks verified; the digest is not.
  void read_array(std::size_t index, const ArrayTarget& target, unsigned threads);
  // As read_all, into nothing. `progress` (may be empty) gets bytes done of state_bytes().
  void verify(unsigned threads, const std::function<void(std::uint64_t bytes_done)>& progress = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ckpt::snapshot
