// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chunk_index.hpp"

#include <algorithm>

namespace ckpt::snapshot {

void ChunkIndex::add(const Slabs& slabs) {
  slabs_.push_back(slabs);
  first_chunk_.push_back(first_chunk_.back() + slabs.count());
}

ChunkIndex::Place ChunkIndex::place(std::uint64_t number) const noexcept {
  const auto next = std::upper_bound(first_chunk_.begin(), first_chunk_.end(), number);
  const std::size_t dataset = next - first_chunk_.begin() - 1;
  return {dataset, number - first_chunk_[dataset]};
}

std::vector<ChunkRange> ChunkIndex::portions(ChunkRange range) const {
  constexpr std::uint64_t portion_bytes = 128u << 10;
  std::vector<ChunkRange> portions;
  std::uint64_t bytes = 0;
  std::size_t dataset = 0;
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    while (number >= first_chunk_[dataset + 1]) ++dataset;
    bytes += slabs_[dataset].chunk_bytes();
    if (portions.empty() || bytes > portion_bytes) {
      portions.push_back({number, number});
      bytes = slabs_[dataset].chunk_bytes();
    }
    portions.back().end = number + 1;
  }
  return portions;
}

}  // namespace ckpt::snapshot
