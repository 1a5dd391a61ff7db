// SPDX-License-Identifier: Apache-2.0
#include "rundir/block_files.hpp"

#include <algorithm>

#include "rundir/listing.hpp"

namespace ckpt::rundir {

std::vector<BlockFile> list_block_files(io::FileSystem& fs, const Layout& layout) {
  std::vector<BlockFile> files;
  for (const std::string& name : list_names(fs, layout.blocks())) {
    if (auto file = parse_block_file_name(name)) files.push_back(*file);
  }
  return files;
}

std::uint64_t newest_claim(const std::vector<BlockFile>& files) {
  std::uint64_t newest = 0;
  for (const BlockFile& file : files) {
    if (file.kind == BlockFileKind::record) newest = std::max(newest, file.block);
  }
  return newest;
}

std::uint64_t newest_trace(const std::vector<BlockFile>& files) {
  std::uint64_t newest = 0;
  for (const BlockFile& file : files) newest = std::max(newest, file.block);
  return newest;
}

}  // namespace ckpt::rundir
