// SPDX-License-Identifier: Apache-2.0
// Second links to snapshots: kept under a name, outside retention; or taken over by another block or run.
#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/error.hpp"
#include "io/publish.hpp"
#include "rundir/catalog.hpp"
#include "rundir/listing.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::string_view kept_ending = ".h5";
constexpr std::size_t longest_kept_name = 100;   // bytes; leaves room for the temporary name around it

void check_kept_name(const std::string& name) {
  const auto is_unfit = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/'; };
  if (name.empty() || name.size() > longest_kept_name || name.front() == '.' ||
      std::any_of(name.begin(), name.end(), is_unfit))
    fail(CKPT_ERR_NAME, "a snapshot cannot be kept as '{}': a name has 1 to {} bytes, no '/', no control character, no '.' in front", name,
         longest_kept_name);
}

int copy_content(io::File& from, io::File& to) {
  std::vector<std::byte> buffer(1u << 20);
  for (std::uint64_t offset = 0;;) {
    std::size_t length = 0;
    if (int error = from.read_at(offset, buffer, length)) return error;
    if (length == 0) return 0;
    if (int error = to.write_at(offset, std::span(buffer).first(length))) return error;
    offset += length;
  }
}

int copy_file(io::FileSystem& fs, const std::string& from, const std::string& to, std::uint32_t permissions) {
  std::unique_ptr<io::File> source, target;
  if (int error = fs.open(from, io::OpenMode::read, 0, source)) return error;
  if (int error = fs.open(to, io::OpenMode::create_new, permissions, target)) return error;
  if (int error = copy_content(*source, *target)) return error;
  if (int error = target->sync()) return error;
  return target->close();
}

int link_or_copy(io::FileSystem& fs, const std::string& from, const std::string& to, std::uint32_t permissions) {
  const int error = fs.link(from, to);
  return io::refuses_links(error) ? copy_file(fs, from, to, permissions) : error;
}

}  // namespace

std::vector<KeptEntry> Catalog::kept() const {
  std::vector<KeptEntry> entries;
  for (const std::string& file_name : list_names(fs_, layout_.kept())) {
    if (!file_name.ends_with(kept_ending)) continue;
    const std::string path = layout_.kept() + '/' + file_name;
    const auto info = info_if_there(fs_, path);
    if (!info || info->kind != io::FileKind::file) continue;
    const std::string name = file_name.substr(0, file_name.size() - kept_ending.size());
    entries.push_back({name, path, info->size_bytes, info->inode, info->modified});
  }
  std::sort(entries.begin(), entries.end(), [](const auto& one, const auto& other) { return one.name < other.name; });
  return entries;
}

void Catalog::keep(SnapshotId id, const std::string& name) { keep_file(layout_.snapshot(id), name); }

void Catalog::keep_file(const std::string& source, const std::string& name) {
  check_kept_name(name);
  const std::string target = layout_.kept_snapshot(name);
  const std::string temporary = io::temporary_name(target);
  int error = link_or_copy(fs_, source, temporary, permissions_.file);
  if (error == 0) error = fs_.rename_replacing(temporary, target);
  // Also after success: a rename onto another link of the same file does nothing.
  static_cast<void>(fs_.remove(temporary));
  if (is_gone(error) && !info_if_there(fs_, source))
    fail(CKPT_ERR_NOT_FOUND, "there is no snapshot '{}' to keep as '{}'", source, name);
  if (error != 0) fail_io(error, "cannot keep '{}' as '{}'", source, target);
  io::sync_directory(fs_, layout_.kept());
}

void Catalog::adopt(const std::string& file, SnapshotId id) {
  const std::string target = layout_.snapshot(id);
  const std::string temporary = io::temporary_name(target);
  mark_has_snapshots();   // first: a run that was to go on from a snapshot must never begin from zero
  if (const int error = link_or_copy(fs_, file, temporary, permissions_.file)) {
    static_cast<void>(fs_.remove(temporary));
    if (is_gone(error) && !info_if_there(fs_, file)) fail(CKPT_ERR_NOT_FOUND, "snapshot '{}' is not there any more", file);
    fail_io(error, "cannot make '{}' from '{}'", target, file);
  }
  io::publish_new(fs_, temporary, target);
}

}  // namespace ckpt::rundir
