// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/error.hpp"
#include "checkpoints/finding.hpp"
#include "checkpoints/formats.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t head_bytes = 16;

// Marks and small text beside the arrays may be empty.
bool must_hold_something(const std::string& name, int depth) { return depth == 0 || holds_state(name); }

// These begin with more than a few bytes, and never with zeros, which a crash of the machine may leave.
void check_begins(const std::string& name, std::string_view head) {
  constexpr std::string_view endings[] = {".pt", ".pth", ".pth.tar", ".ckpt", ".pkl", ".h5", ".keras", ".npy", ".npz", ".safetensors"};
  constexpr std::size_t shortest = 8;
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  if (std::none_of(std::begin(endings), std::end(endings), ends)) return;
  if (head.size() < shortest || head.find_first_not_of('\0') == head.npos)
    throw Broken{"its beginning was never written, or is lost"};
}

// A format that nobody knows may begin with some; what a crash of the machine leaves holds nothing else.
void check_is_not_zeros(Bytes& file, std::string_view head) {
  constexpr std::uint64_t piece_bytes = 1u << 20;
  if (head.find_first_not_of('\0') != head.npos) return;
  for (std::uint64_t at = 0; at < file.size(); at += piece_bytes)
    if (file.read(at, std::min(piece_bytes, file.size() - at), "its bytes").find_first_not_of('\0') != std::string::npos) return;
  throw Broken{"it holds nothing but zeros"};
}

// What torch.save makes of each array, one behind the other; a planner of the user's own may write anything else.
Finding examine_distributed_part(Bytes& file, std::string_view head) {
  const bool is_known = is_zip(head);
  if (is_known) examine_zips(file);
  return {is_known ? Wholeness::whole : Wholeness::unknown, "torch.distributed.checkpoint", ""};
}

Finding examine_file(io::FileSystem& fs, const std::string& path, int depth) {
  Bytes file(fs, path);
  const std::string name = io::base_name(path), head = file.head(head_bytes);
  if (head.empty() && must_hold_something(name, depth)) throw Broken{"it is empty"};
  check_begins(name, head);
  const bool is_distributed = name.ends_with(".distcp");
  if (!head.empty() && (is_distributed || must_hold_something(name, depth))) check_is_not_zeros(file, head);
  if (is_distributed) return examine_distributed_part(file, head);
  if (is_zip(head)) return examine_zip(file, name);
  if (is_hdf5(head)) return examine_hdf5(fs, path, file);
  if (is_numpy(head)) return examine_numpy(file);
  if (is_safetensors(head, name)) return examine_safetensors(file);
  if (is_ocdbt(head)) return examine_ocdbt(file);
  if (is_pickle(head)) return examine_pickle(file);
  return {Wholeness::unknown, "unknown format", ""};
}

bool is_there(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0;
}

Finding examine_what_is_there(io::FileSystem& fs, const std::string& path, int depth) {
  io::FileInfo info;
  if (const int error = fs.info(path, info)) {
    if (error == ENOENT && is_there(fs, path + ".index")) return examine_tensorflow(fs, path);
    fail_io(error, "cannot read '{}'", path);
  }
  if (info.kind == io::FileKind::directory) return examine_directory(fs, path, depth);
  if (info.kind == io::FileKind::file) return examine_file(fs, path, depth);
  throw Broken{"it is neither a file nor a directory"};
}

}  // namespace

Finding examine_at_depth(io::FileSystem& fs, const std::string& path, int depth) try {
  return examine_what_is_there(fs, path, depth);
} catch (const Broken& broken) {
  return {Wholeness::broken, "", broken.reason};
}

Finding examine(io::FileSystem& fs, const std::string& path, bool is_by_trainer) {
  const Finding finding = examine_at_depth(fs, path, 0);
  if (is_by_trainer && finding.format == "directory") return {Wholeness::broken, "", unfinished_by_trainer};
  return finding;
}

}  // namespace ckpt::checkpoints
