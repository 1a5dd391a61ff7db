// SPDX-License-Identifier: Apache-2.0
// All chunks of all datasets of a snapshot, numbered through.
#pragma once

#include <cstdint>
#include <vector>

#include "snapshot/slabs.hpp"

namespace ckpt::snapshot {

struct ChunkRange {
  std::uint64_t first, end;   // chunks [first, end)
  std::uint64_t count() const noexcept { return end - first; }
};

class ChunkIndex {
 public:
  struct Place {
    std::size_t dataset;
    std::uint64_t chunk;   // of that dataset
  };

  void add(const Slabs& slabs);

  std::size_t datasets() const noexcept { return slabs_.size(); }
  std::uint64_t chunks() const noexcept { return first_chunk_.back(); }
  const Slabs& slabs(std::size_t dataset) const noexcept { return slabs_[dataset]; }
  Place place(std::uint64_t number) const noexcept;
  // Of the datasets [first, end).
  ChunkRange chunks_of(std::size_t first, std::size_t end) const noexcept {
    return {first_chunk_[first], first_chunk_[end]};
  }
  ChunkRange chunks_of(std::size_t dataset) const noexcept { return chunks_of(dataset, dataset + 1); }

  // A range in portions for one thread at a time: one large chunk, or many tiny ones, so that threads do not queue for
  // HDF5 with every hundred bytes.
  std::vector<ChunkRange> portions(ChunkRange range) const;

 private:
  std::vector<Slabs> slabs_;
  std::vector<std::uint64_t> first_chunk_{0};   // one more than datasets: the last is the number of chunks
};

}  // namespace ckpt::snapshot
