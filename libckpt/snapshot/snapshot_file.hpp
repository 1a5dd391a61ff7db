// SPDX-License-Identifier: Apache-2.0
// The HDF5 file of a snapshot, open for reading. Datasets are numbered: 0 holds the small values, then the arrays
// sorted by name. Every member, the destructor too, inside Hdf5Scope; nothing here names the file in its errors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "snapshot/chunk_index.hpp"
#include "snapshot/datatypes.hpp"
#include "snapshot/file_driver.hpp"
#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot {

class SnapshotFile {
 public:
  SnapshotFile(Connection& connection, std::uint64_t file_bytes);

  const Header& header() const noexcept { return header_; }         // but meta
  const std::string& digest() const noexcept { return digest_; }
  const std::vector<ArrayInfo>& datasets() const noexcept { return infos_; }
  const ChunkIndex& index() const noexcept { return index_; }

  // Valid until `memory` changes. A dataset is open from the first to the last of its chunks that are read.
  std::span<const std::byte> read_frame(std::size_t dataset, std::uint64_t chunk, std::vector<std::byte>& memory);
  void close_datasets() { open_.clear(); }   // after a reading that did not come to its end

 private:
  struct OpenDataset {
    std::size_t dataset;
    std::uint64_t chunks_left;
    Hid id;
  };

  void list(std::uint64_t file_bytes);
  OpenDataset& opened(std::size_t dataset);

  DriverAccess access_;
  Hid file_;
  Header header_;
  std::string digest_;
  std::vector<ArrayInfo> infos_;
  ChunkIndex index_;
  std::vector<std::vector<std::byte>> tiny_frames_;   // by dataset; of tiny arrays only
  std::vector<OpenDataset> open_;                     // about as many as there are threads
};

}  // namespace ckpt::snapshot
