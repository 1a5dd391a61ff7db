// SPDX-License-Identifier: Apache-2.0
// Any HDF5 file, not only ours: whether everything in it can be opened and lies within it.
#pragma once

#include <string>

#include "io/file_system.hpp"

namespace ckpt::snapshot {

struct Walked {
  std::string damage;        // one line for people; empty: nothing that HDF5 can tell
  bool is_all_stored = true; // false: an array has no place in the file, or not all of its chunks have: nobody has written it yet
};

// The content of arrays with checksums (Fletcher-32, zlib's) is read. HDF5 is not made for hostile files: call it in a process that
// may die.
Walked walk_hdf5(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::snapshot
