// SPDX-License-Identifier: Apache-2.0
// HDF5, as Keras and h5py write it: closed properly, and then whatever the library HDF5 can find out.
#include "base/error.hpp"
#include "checkpoints/formats.hpp"
#include "snapshot/walk.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::string_view mark("\x89HDF\r\n\x1a\n", 8);
constexpr std::uint8_t open_for_writing = 1 | 4;  // the second: one writer, many readers

// From the superblock. Other sizes than eight bytes for an address are for the library to judge.
std::uint64_t end_in_superblock(Bytes& file) {
  const auto version = file.number<std::uint8_t>(8, "superblock");
  if (version > 3) throw Broken{"its superblock is damaged"};
  if (version < 2) return file.number<std::uint64_t>(version == 0 ? 40 : 44, "superblock");
  if (version == 3 && (file.number<std::uint8_t>(11, "superblock") & open_for_writing) != 0)
    throw Broken{"it was not closed by who wrote it"};
  return file.number<std::uint64_t>(28, "superblock");
}

// What a newer library wrote than the one in here. Its metadata have checksums, so that no flipped bit looks like this.
bool is_too_new(Bytes& file, const std::string& damage) {
  return file.number<std::uint8_t>(8, "superblock") >= 2 && damage.find("version number") != std::string::npos;
}

}  // namespace

bool is_hdf5(std::string_view head) { return head.starts_with(mark); }

Finding examine_hdf5(io::FileSystem& fs, const std::string& path, Bytes& file) {
  if (const std::uint64_t end = end_in_superblock(file); end != file.size())
    throw Broken{fmt::format("it says that it ends at byte {}, it ends at {}: cut short, or not closed by who wrote it",
                             end, file.size())};
  const auto [damage, is_all_stored] = snapshot::walk_hdf5(fs, path);
  if (!damage.empty() && !is_too_new(file, damage)) throw Broken{damage};
  // Until version 3 of the superblock a file that was flushed between two of its arrays looks like one that was closed.
  return {damage.empty() && is_all_stored ? Wholeness::whole : Wholeness::unknown, "HDF5", ""};
}

}  // namespace ckpt::checkpoints
