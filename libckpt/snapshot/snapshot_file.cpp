// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "snapshot/dataset_layout.hpp"
#include "snapshot/format.hpp"
#include "snapshot/listing.hpp"

namespace ckpt::snapshot {
namespace {

constexpr std::uint64_t smallest_chunk_bytes = 8;   // of the file; a frame is larger

}  // namespace

SnapshotFile::SnapshotFile(Connection& connection, std::uint64_t file_bytes) : access_(connection) {
  file_ = Hid(H5Fopen("ckpt", H5F_ACC_RDONLY, access_.list()), "open it");
  header_ = read_header(file_);
  digest_ = read_digest(file_);
  list(file_bytes);
}

void SnapshotFile::list(std::uint64_t file_bytes) {
  Datatypes datatypes;
  auto arrays = list_arrays(file_, file_bytes, datatypes);
  arrays.insert(arrays.begin(), inspect_meta(file_, datatypes));
  for (Listed& listed : arrays) {
    index_.add(listed.slabs);
    infos_.push_back(std::move(listed.info));
    tiny_frames_.push_back(std::move(listed.frame));
    if (listed.slabs.count() > file_bytes || index_.chunks() > file_bytes / smallest_chunk_bytes)
      fail(CKPT_ERR_DAMAGED, "'{}' has more chunks than the file can hold", infos_.back().name);
  }
}

SnapshotFile::OpenDataset& SnapshotFile::opened(std::size_t dataset) {
  const auto found =
      std::find_if(open_.begin(), open_.end(), [&](const OpenDataset& open) { return open.dataset == dataset; });
  if (found != open_.end()) return *found;
  const std::string path = dataset == 0 ? format::meta_path() : format::path_of(infos_[dataset]);
  Hid id(H5Dopen2(file_, path.c_str(), H5P_DEFAULT), "open an array");
  return open_.emplace_back(OpenDataset{dataset, index_.slabs(dataset).count(), std::move(id)});
}

std::span<const std::byte> SnapshotFile::read_frame(std::size_t dataset, std::uint64_t chunk,
                                                    std::vector<std::byte>& memory) {
  if (!tiny_frames_[dataset].empty()) return tiny_frames_[dataset];
  OpenDataset& open = opened(dataset);
  const auto frame = snapshot::read_frame(open.id, infos_[dataset], index_.slabs(dataset), chunk, memory);
  if (--open.chunks_left == 0) {
    std::swap(open, open_.back());
    open_.pop_back();
  }
  return frame;
}

}  // namespace ckpt::snapshot
