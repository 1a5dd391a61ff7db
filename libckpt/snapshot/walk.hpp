// SPDX-License-Identifier: Apache-2.0
// Any HDF5 file, not only ours: whether everything in it can be opened and lies within it.
#pragma once

#include <string>

#include "io/file_system.hpp"

namespace ckpt::snapshot {

// What is damaged: one line for people; empty: nothing that HDF5 can tell. The content of arrays with checksums
// (Fletcher-32, zlib's) is read. HDF5 is not made for hostile files: call it in a process that may die.
std::string damage_in_hdf5(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::snapshot
