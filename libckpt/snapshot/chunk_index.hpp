// SPDX-License-Identifier: Apache-2.0
// All chunks of all datasets of a snapshot, numbered through.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "snapshot/slabs.hpp"

namespace ckpt::snapshot {

class ChunkIndex {
 public:
  void add(const Slabs& slabs) {
    slabs_.push_back(slabs);
    first_chunk_.push_back(first_chunk_.back() + slabs.count());
  }

  std::size_t datasets() const noexcept { return slabs_.size(); }
  std::uint64_t chunks() const noexcept { return first_chunk_.back(); }
  const Slabs& slabs(std::size_t dataset) const noexcept { return slabs_[dataset]; }
  // Also for dataset == datasets(): the number of all chunks.
  std::uint64_t first_chunk(std::size_t dataset) const noexcept { return first_chunk_[dataset]; }
  std::size_t dataset_of(std::uint64_t chunk) const noexcept {
    return std::upper_bound(first_chunk_.begin(), first_chunk_.end(), chunk) - first_chunk_.begin() - 1;
  }

 private:
  std::vector<Slabs> slabs_;
  std::vector<std::uint64_t> first_chunk_{0};   // one more than datasets: the last is the number of chunks
};

}  // namespace ckpt::snapshot
