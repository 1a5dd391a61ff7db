// SPDX-License-Identifier: Apache-2.0
#include "fault/inode_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <random>

namespace ckpt::testing {
namespace {

constexpr std::uint64_t root_number = 1;

// "/a//b/./c" -> a, b, c. A relative path starts at the root as well.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (const auto part = path.substr(0, slash); !part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

// Page by page, and in its length, what was synced or what was not.
std::string partly_written_back(const Inode& inode, std::mt19937_64& random) {
  std::string content = inode.durable_content;
  if (random() & 1) content.resize(inode.content.size());
  for (std::size_t at = 0; at < content.size(); at += InodeTree::page_bytes) {
    if (at >= inode.content.size() || (random() & 1)) continue;
    const std::size_t length = std::min({InodeTree::page_bytes, content.size() - at, inode.content.size() - at});
    content.replace(at, length, inode.content, at, length);
  }
  return content;
}

}  // namespace

InodeTree::InodeTree() {
  Inode& root = inodes_[next_number_];
  root.number = next_number_++;
  root.kind = io::FileKind::directory;
  root.link_count = 1;
  root.owner = user;
  root.group = group;
  root.mode = 0755;
  touch(root);
}

int InodeTree::find(std::string_view path, Inode*& inode) {
  Inode* at = &inodes_.at(root_number);
  for (const std::string& part : parts_of(path)) {
    if (at->kind != io::FileKind::directory) return ENOTDIR;
    const auto entry = at->entries.find(part);
    if (entry == at->entries.end()) return ENOENT;
    at = &inodes_.at(entry->second);
  }
  inode = at;
  return 0;
}

const Inode* InodeTree::find(std::string_view path) const {
  Inode* inode = nullptr;
  return const_cast<InodeTree*>(this)->find(path, inode) == 0 ? inode : nullptr;
}

int InodeTree::find_parent(std::string_view path, Inode*& directory, std::string& name) {
  std::vector<std::string> parts = parts_of(path);
  if (parts.empty()) return EEXIST;   // the root
  name = parts.back();
  std::string parent;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) parent += "/" + parts[i];
  if (int error = find(parent, directory)) return error;
  return directory->kind == io::FileKind::directory ? 0 : ENOTDIR;
}

int InodeTree::find_writable_parent(std::string_view path, Inode*& directory, std::string& name) {
  if (int error = find_parent(path, directory, name)) return error;
  return may_write(*directory) ? 0 : EACCES;
}

bool InodeTree::may(const Inode& inode, std::uint32_t bit) const {
  if (user == 0) return true;
  const std::uint32_t shift = inode.owner == user ? 6 : inode.group == group ? 3 : 0;
  return (inode.mode >> shift & bit) != 0;
}

int InodeTree::create(std::string_view path, io::FileKind kind, std::uint32_t mode, Inode*& inode) {
  Inode* directory = nullptr;
  std::string name;
  if (int error = find_parent(path, directory, name)) return error;
  if (directory->entries.contains(name)) return EEXIST;
  if (!may_write(*directory)) return EACCES;
  Inode& created = inodes_[next_number_];
  created.number = next_number_++;
  created.kind = kind;
  created.owner = user;
  created.group = group;
  created.mode = mode;
  touch(created);
  apply({{directory->number, name, created.number}});
  inode = &created;
  return 0;
}

int InodeTree::link(std::string_view existing, std::string_view name) {
  Inode* inode = nullptr;
  Inode* directory = nullptr;
  std::string last;
  if (int error = find(existing, inode)) return error;
  if (inode->kind == io::FileKind::directory) return EPERM;
  if (int error = find_writable_parent(name, directory, last)) return error;
  if (directory->entries.contains(last)) return EEXIST;
  apply({{directory->number, last, inode->number}});
  return 0;
}

int InodeTree::rename(std::string_view from, std::string_view to, bool may_replace) {
  Inode* inode = nullptr;
  Inode* source = nullptr;
  Inode* target = nullptr;
  std::string source_name, target_name;
  if (int error = find(from, inode)) return error;
  if (int error = find_writable_parent(from, source, source_name)) return error;
  if (int error = find_writable_parent(to, target, target_name)) return error;
  if (const auto there = target->entries.find(target_name); there != target->entries.end()) {
    if (!may_replace) return EEXIST;
    if (there->second == inode->number) return 0;   // two names of one file: POSIX leaves both
    if (inodes_.at(there->second).kind == io::FileKind::directory) return EISDIR;
  }
  apply({{source->number, source_name, 0}, {target->number, target_name, inode->number}});
  return 0;
}

int InodeTree::remove(std::string_view path) {
  Inode* inode = nullptr;
  Inode* directory = nullptr;
  std::string name;
  if (int error = find(path, inode)) return error;
  if (inode->kind == io::FileKind::directory) return EISDIR;
  if (int error = find_writable_parent(path, directory, name)) return error;
  apply({{directory->number, name, 0}});
  return 0;
}

// An inode without a name stays: a power loss may bring a name back.
void InodeTree::apply(const Change& change) {
  for (const Entry& entry : change) {
    auto& entries = inodes_.at(entry.directory).entries;
    if (const auto old = entries.find(entry.name); old != entries.end()) {
      --inodes_.at(old->second).link_count;
      entries.erase(old);
    }
    if (entry.inode == 0) continue;
    ++inodes_.at(entry.inode).link_count;
    entries[entry.name] = entry.inode;
  }
  pending_.push_back(change);
}

void InodeTree::sync(Inode& inode) {
  if (!inode.given_up) inode.durable_content = inode.content;
}

void InodeTree::apply_durably(const Change& change) {
  for (const Entry& entry : change) {
    auto& entries = inodes_.at(entry.directory).durable_entries;
    if (entry.inode == 0) entries.erase(entry.name);
    else entries[entry.name] = entry.inode;
  }
}

void InodeTree::sync_directory(const Inode& directory) {
  const auto touches = [&](const Change& change) {
    return std::any_of(change.begin(), change.end(), [&](const Entry& e) { return e.directory == directory.number; });
  };
  for (const Change& change : pending_) {
    if (touches(change)) apply_durably(change);
  }
  std::erase_if(pending_, touches);
}

void InodeTree::sync_everything() {
  for (const Change& change : pending_) apply_durably(change);
  pending_.clear();
  for (auto& [number, inode] : inodes_) sync(inode);
}

std::uint64_t InodeTree::used_bytes() const {
  std::uint64_t sum_bytes = 0;
  for (const auto& [number, inode] : inodes_) {
    if (inode.link_count > 0 || inode.open_count > 0) sum_bytes += inode.content.size();
  }
  return sum_bytes;
}

std::vector<std::string> InodeTree::files() const {
  std::vector<std::string> paths;
  const std::function<void(const Inode&, const std::string&)> walk = [&](const Inode& inode, const std::string& path) {
    if (inode.kind == io::FileKind::file) paths.push_back(path);
    for (const auto& [name, number] : inode.entries) walk(inodes_.at(number), path + "/" + name);
  };
  walk(inodes_.at(root_number), "");
  std::sort(paths.begin(), paths.end());
  return paths;
}

InodeTree InodeTree::with_files_closed() const {
  InodeTree copy = *this;
  for (auto& [number, inode] : copy.inodes_) inode.open_count = 0;
  return copy;
}

InodeTree InodeTree::durable(std::optional<std::uint64_t> seed) const {
  InodeTree left = *this;
  std::mt19937_64 random(seed.value_or(0));
  if (seed) {
    for (const Change& change : left.pending_) {
      if (random() & 1) left.apply_durably(change);
    }
  }
  for (auto& [number, inode] : left.inodes_) {
    inode.content = seed && !inode.given_up ? partly_written_back(inode, random) : inode.durable_content;
  }
  left.restart_from_durable();
  return left;
}

void InodeTree::restart_from_durable() {
  pending_.clear();
  for (auto& [number, inode] : inodes_) {
    inode.durable_content = inode.content;
    inode.entries = inode.durable_entries;
    inode.given_up = false;
    inode.link_count = number == root_number ? 1 : 0;
    inode.open_count = 0;
  }
  const std::function<void(Inode&)> count_links = [&](Inode& inode) {
    for (const auto& [name, number] : inode.entries) {
      Inode& child = inodes_.at(number);
      if (++child.link_count == 1) count_links(child);
    }
  };
  count_links(inodes_.at(root_number));
  std::erase_if(inodes_, [](const auto& item) { return item.second.link_count == 0; });
}

}  // namespace ckpt::testing
