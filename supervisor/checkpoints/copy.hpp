// SPDX-License-Identifier: Apache-2.0
// Copies of a checkpoint that its program overwrites in place: a kill in the middle of that would leave none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoints/pattern.hpp"
#include "io/file_system.hpp"

namespace ckpt::checkpoints {

struct KeepRule {
  std::string directory;
  std::uint64_t block = 0;
  std::size_t most = 2;
  bool even_if_unknown = false;  // nobody is writing it
  std::uint32_t directory_permissions = 0700, file_permissions = 0600;
  bool is_open = false;  // for writing: only checksums tell that it is whole all the same
};

// Synced, under a temporary name in that directory, which is made where it is missing. Throws Error.
std::string copy_aside(io::FileSystem& fs, const std::string& path, const KeepRule& rule);
// The copy gets its name, durable, and the oldest ones beyond `most` go. Returns its path.
std::string publish_copy(io::FileSystem& fs, const std::string& temporary, const std::string& original,
                         const KeepRule& rule);

// The copy once more, under the name of what it is of, durable; what is there is renamed, to what is returned (empty: nothing
// was there). Throws Error.
std::string put_back(io::FileSystem& fs, const std::string& copy, const std::string& original, std::uint64_t block);

// "last.b0003-2.pt" of block 3, newest first.
std::vector<Candidate> list_copies(io::FileSystem& fs, const std::string& directory, const std::string& original);

}  // namespace ckpt::checkpoints
