// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string_view>

#include "base/error.hpp"
#include "checkpoints/finding.hpp"
#include "checkpoints/formats.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t head_bytes = 16, page = 4096;
constexpr std::string_view name_of_manifest = "manifest.ocdbt";

bool has_any_ending(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

// Files of Orbax's tables: "manifest.ocdbt", and "d/" with names of 32 digits.
bool is_of_tables(const std::string& path) {
  constexpr std::size_t digits = 32;
  const std::string name = io::base_name(path);
  if (name == name_of_manifest) return true;
  return name.size() == digits && name.find_first_not_of("0123456789abcdef") == name.npos &&
         io::base_name(io::parent_directory(path)) == "d";
}

// Marks, small text and arrays of no format beside the others may be empty, or zeros.
bool must_hold_something(const std::string& path, int depth) {
  const std::string name = io::base_name(path);
  return depth == 0 || holds_state(name) || is_of_tables(path);
}

// What a crash of the machine may leave. Of any other file the first piece tells.
bool is_nothing_but_zeros(Bytes& file) {
  constexpr std::uint64_t piece = 64u << 10;
  for (std::uint64_t at = 0; at < file.size(); at += piece)
    if (file.read(at, std::min(piece, file.size() - at), "content").find_first_not_of('\0') != std::string::npos) return false;
  return file.size() > 0;
}

bool is_old_tar(Bytes& file) {  // of the first PyTorch
  constexpr std::uint64_t mark_at = 257, header_bytes = 512;
  return file.size() >= header_bytes && file.read(mark_at, 5, "head") == "ustar";
}

// These begin with more than a few bytes, and never with a page of zeros. A .ckpt is anybody's, but nobody's is as short as that.
void check_begins(Bytes& file, const std::string& name, std::string_view head, int depth) {
  constexpr std::size_t shortest = 8, shortest_of_any = 4;
  const bool has_mark = has_any_ending(name, {".pt", ".pth", ".pth.tar", ".h5", ".keras", ".npy", ".npz", ".safetensors"});
  const bool is_lost = has_mark && (head.size() < shortest || file.head(page).find_first_not_of('\0') == std::string::npos);
  const bool is_cut = name.ends_with(".distcp") && !head.empty() && head.size() < shortest_of_any;
  const bool is_short = is_cut || (name.ends_with(".ckpt") && head.size() < shortest_of_any);
  const bool is_foreign = depth > 0 && is_by_torch(name) && !is_zip(head) && !is_pickle(head) && !is_old_tar(file);
  const bool is_no_manifest = name == name_of_manifest && !is_ocdbt(head);
  if (is_lost || is_short || is_foreign || is_no_manifest) throw Broken{"its beginning was never written, or is lost"};
}

// A file may get its full size first and be filled later, through a memory map say: a kill in between leaves zeros at its end.
Finding unless_its_end_is_zeros(Finding finding, Bytes& file) {
  if (file.size() <= page) return finding;
  const bool is_zeros = file.read(file.size() - page, page, "end").find_first_not_of('\0') == std::string::npos;
  return is_zeros ? Finding{Wholeness::unknown, finding.format, ""} : finding;
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
  const bool must_hold = must_hold_something(path, depth), is_distributed = name.ends_with(".distcp");
  if (must_hold && head.empty()) throw Broken{"it is empty"};
  const bool is_raw = depth > 0 && name.ends_with(".bin") && !is_by_torch(name);   // numbers without a head may well be zeros
  if ((must_hold || is_distributed) && !is_raw && is_nothing_but_zeros(file))
    throw Broken{"it holds nothing but zeros: what was in it was never written, or is lost"};
  check_begins(file, name, head, depth);
  if (is_distributed) return examine_distributed_part(file, head);
  if (is_zip(head)) return examine_zip(file, name);
  if (is_hdf5(head)) return examine_hdf5(fs, path, file);
  if (is_numpy(head) || is_safetensors(head, name)) {
    const Finding finding = is_numpy(head) ? examine_numpy(file, name) : examine_safetensors(file, name);
    return depth == 0 ? unless_its_end_is_zeros(finding, file) : finding;
  }
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
