// SPDX-License-Identifier: Apache-2.0
// What an open HDF5 file holds, if it is a snapshot. Everything that a writer of format 1 never does is damage.
#pragma once

#include <vector>

#include "snapshot/datatypes.hpp"
#include "snapshot/slabs.hpp"
#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot {

struct Listed {
  ArrayInfo info;
  Slabs slabs;
  std::vector<std::byte> frame;   // of a tiny array, read while its dataset was open anyway; else empty
};

// All functions: inside Hdf5Scope. Throw Hdf5Failed, CKPT_ERR_DAMAGED, or CKPT_ERR_FORMAT, without naming the file.
Header read_header(hid_t file);                 // but meta; ckpt_format before anything else
std::string read_digest(hid_t file);
Listed inspect_meta(hid_t file, Datatypes& datatypes);
// Sorted by name. `file_bytes` bounds how many objects there can be.
std::vector<Listed> list_arrays(hid_t file, std::uint64_t file_bytes, Datatypes& datatypes);

}  // namespace ckpt::snapshot
