// SPDX-License-Identifier: Apache-2.0
// HDF5's way to the disk: an HDF5 file driver over io::File, so that every byte goes through the one seam.
//
// HDF5 crashes at exit after it was told of an I/O error. So the driver always reports success, keeps the first error
// here, does nothing more, and gives zeros to whoever reads: look at `error` before believing HDF5, good news or bad.
#pragma once

#include <atomic>

#include "io/file_system.hpp"
#include "snapshot/hdf5.hpp"

namespace ckpt::snapshot {

// Outlives the HDF5 file; so does `file`.
struct Connection {
  io::File& file;
  std::atomic<int> error{0};   // errno value of the first call that failed
};

// A file access list for exactly one H5Fcreate (name ignored, the file empty) or H5Fopen. Inside Hdf5Scope.
class DriverAccess {
 public:
  explicit DriverAccess(Connection& connection);
  hid_t list() const noexcept { return list_; }

 private:
  Hid driver_;   // registered as long as this lives: H5close() of the host program takes away what was there before
  Hid list_;
};

}  // namespace ckpt::snapshot
