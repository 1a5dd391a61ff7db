// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/copy.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/clone.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::size_t copied_at_once_bytes = 4u << 20;

struct Name {
  std::string stem, ending;  // "last", ".pt"
};

Name split(const std::string& path) {
  const std::string name = io::base_name(path);
  const std::size_t dot = name.rfind('.');
  return dot == 0 || dot == std::string::npos ? Name{name, ""} : Name{name.substr(0, dot), name.substr(dot)};
}

void copy_bytes(io::File& from, io::File& to, const std::string& path) {
  std::vector<std::byte> piece(copied_at_once_bytes);
  for (std::uint64_t at = 0;;) {
    std::size_t taken = 0;
    int error = from.read_at(at, piece, taken);
    if (error == 0 && taken > 0) error = to.write_at(at, std::span(piece).first(taken));
    if (error != 0) fail_io(error, "cannot copy '{}'", path);
    if (taken == 0) return;
    at += taken;
  }
}

void fill(io::FileSystem& fs, const std::string& path, const std::string& copy, std::uint32_t permissions) {
  std::unique_ptr<io::File> from, to;
  int error = fs.open(path, io::OpenMode::read, 0, from);
  if (error == 0) error = fs.open(copy, io::OpenMode::create_new, permissions, to);
  if (error != 0) fail_io(error, "cannot copy '{}' to '{}'", path, copy);
  if (io::clone_content(path, copy) != 0) copy_bytes(*from, *to, path);
  error = to->sync();
  if (error == 0) error = to->close();
  if (error != 0) fail_io(error, "cannot copy '{}' to '{}'", path, copy);
}

// One copy is made at a time; what else is there was left by a block that was killed.
void remove_abandoned(io::FileSystem& fs, const std::string& directory) {
  std::vector<std::string> names;
  static_cast<void>(fs.list(directory, names));
  for (const std::string& name : names)
    if (io::is_temporary_name(name)) static_cast<void>(fs.remove(directory + '/' + name));
}

// Of the older copies; the newest stays until there is a newer one.
void make_room(io::FileSystem& fs, const std::string& path, const KeepRule& rule) {
  remove_abandoned(fs, rule.directory);
  const std::vector<Candidate> copies = list_copies(fs, rule.directory, path);
  for (std::size_t i = 1; i < copies.size(); ++i) static_cast<void>(fs.remove(copies[i].path));
}

bool is_full(const Error& error) { return error.os_errno() == ENOSPC || error.os_errno() == EDQUOT; }

std::string copy_once(io::FileSystem& fs, const std::string& path, const KeepRule& rule) {
  const std::string copy = io::temporary_name(rule.directory + '/' + io::base_name(path));
  try {
    fill(fs, path, copy, rule.file_permissions);
  } catch (const Error&) {
    static_cast<void>(fs.remove(copy));
    throw;
  }
  return copy;
}

// "last.pt.damaged-b0003", with a number where an earlier run has left one of that name. Returns its new path.
std::string rename_aside(io::FileSystem& fs, const std::string& path, std::uint64_t block) {
  const std::string name = fmt::format("{}.damaged-b{:04}", path, block);
  std::string aside = name;
  int error = fs.rename_new(path, aside);
  for (int number = 2; error == EEXIST; ++number) {
    aside = fmt::format("{}-{}", name, number);
    error = fs.rename_new(path, aside);
  }
  if (error != 0) fail_io(error, "cannot rename '{}' to '{}'", path, aside);
  return aside;
}

}  // namespace

std::string copy_aside(io::FileSystem& fs, const std::string& path, const KeepRule& rule) {
  if (const int error = fs.make_directory(rule.directory, rule.directory_permissions); error != 0 && error != EEXIST)
    fail_io(error, "cannot make '{}'", rule.directory);
  try {
    return copy_once(fs, path, rule);
  } catch (const Error& error) {
    if (!is_full(error)) throw;
    make_room(fs, path, rule);
    return copy_once(fs, path, rule);
  }
}

std::string publish_copy(io::FileSystem& fs, const std::string& temporary, const std::string& original,
                         const KeepRule& rule) {
  const auto [stem, ending] = split(original);
  const std::vector<Candidate> before = list_copies(fs, rule.directory, original);
  const std::uint64_t number =
      !before.empty() && before.front().order[0] == rule.block ? before.front().order[1] + 1 : 1;
  const std::string path = fmt::format("{}/{}.b{:04}-{}{}", rule.directory, stem, rule.block, number, ending);
  io::publish_new(fs, temporary, path);
  remove_abandoned(fs, rule.directory);
  for (std::size_t i = rule.most - 1; i < before.size(); ++i) static_cast<void>(fs.remove(before[i].path));
  return path;
}

std::string put_back(io::FileSystem& fs, const std::string& copy, const std::string& original, std::uint64_t block) {
  constexpr std::uint32_t permissions_by_default = 0666;
  io::FileInfo torn;
  const bool is_there = fs.info(original, torn) == 0;
  const std::string temporary = io::temporary_name(original);
  fill(fs, copy, temporary, is_there ? torn.mode : permissions_by_default);
  std::string aside;
  try {
    if (is_there) aside = rename_aside(fs, original, block);
  } catch (const Error&) {
    static_cast<void>(fs.remove(temporary));
    throw;
  }
  io::publish_new(fs, temporary, original);
  return aside;
}

std::vector<Candidate> list_copies(io::FileSystem& fs, const std::string& directory, const std::string& original) {
  const auto [stem, ending] = split(original);
  std::vector<std::string> names;
  static_cast<void>(fs.list(directory, names));  // absent: none
  std::vector<Candidate> copies;
  for (const std::string& name : names) {
    Candidate copy;
    unsigned long long block = 0, number = 0;
    if (!name.starts_with(stem + ".b") || std::sscanf(name.c_str() + stem.size(), ".b%llu-%llu", &block, &number) != 2)
      continue;
    if (name != fmt::format("{}.b{:04}-{}{}", stem, block, number, ending)) continue;
    io::FileInfo info;
    if (fs.info(directory + '/' + name, info) != 0) continue;
    copy.path = directory + '/' + name;
    copy.order = {block, number};
    copy.modified = info.modified;
    copy.bytes = info.size_bytes;
    copies.push_back(std::move(copy));
  }
  std::sort(copies.begin(), copies.end(), comes_after);
  return copies;
}

}  // namespace ckpt::checkpoints
