// SPDX-License-Identifier: Apache-2.0
// What a test does to a disk directly: its nature, its owner, its content.
#include <stdexcept>

#include "fault/fake_disk.hpp"

namespace ckpt::testing {

void FakeDisk::set_free_bytes(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  nature_.capacity_bytes = tree_.used_bytes() + bytes;
}

void FakeDisk::set_quota_bytes(std::uint64_t bytes_left) {
  const std::lock_guard lock(mutex_);
  nature_.quota_bytes = tree_.used_bytes() + bytes_left;
}

void FakeDisk::set_links_refused(int error) {
  const std::lock_guard lock(mutex_);
  nature_.links_refused = error;
}

void FakeDisk::set_in_memory(bool in_memory) {
  const std::lock_guard lock(mutex_);
  nature_.in_memory = in_memory;
}

void FakeDisk::set_read_only(bool read_only) {
  const std::lock_guard lock(mutex_);
  nature_.read_only = read_only;
}

void FakeDisk::set_user(std::uint32_t user, std::uint32_t group) {
  const std::lock_guard lock(mutex_);
  tree_.user = user;
  tree_.group = group;
}

Inode& FakeDisk::existing(const std::string& path) {
  Inode* inode = nullptr;
  if (tree_.find(path, inode) != 0) throw std::runtime_error("the fake disk has no " + path);
  return *inode;
}

void FakeDisk::set_owner(const std::string& path, std::uint32_t owner, std::uint32_t group) {
  const std::lock_guard lock(mutex_);
  Inode& inode = existing(path);
  inode.owner = owner;
  inode.group = group;
}

void FakeDisk::set_mode(const std::string& path, std::uint32_t mode) {
  const std::lock_guard lock(mutex_);
  existing(path).mode = mode;
}

void FakeDisk::set_modified(const std::string& path, double wall_seconds) {
  const std::lock_guard lock(mutex_);
  existing(path).modified = wall_seconds;
}

void FakeDisk::make_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    Inode* inode = nullptr;
    const int error = tree_.create(path.substr(0, slash), io::FileKind::directory, 0755, inode);
    if (error && error != EEXIST) throw std::runtime_error("the fake disk cannot make " + path);
    if (slash == std::string::npos) break;
  }
  tree_.sync_everything();
}

void FakeDisk::put(const std::string& path, std::string_view content) {
  if (const std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0)
    make_directories(path.substr(0, slash));
  const std::lock_guard lock(mutex_);
  Inode* inode = nullptr;
  const int error = tree_.find(path, inode) == 0 ? 0 : tree_.create(path, io::FileKind::file, 0644, inode);
  if (error) throw std::runtime_error("the fake disk cannot create " + path);
  inode->content = content;
  tree_.sync_everything();
}

std::string FakeDisk::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const Inode* inode = tree_.find(path);
  if (!inode) throw std::runtime_error("the fake disk has no " + path);
  return inode->content;
}

std::uint64_t FakeDisk::bytes_written_to(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const Inode* inode = tree_.find(path);
  if (!inode) throw std::runtime_error("the fake disk has no " + path);
  return inode->bytes_written;
}

bool FakeDisk::exists(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return tree_.find(path) != nullptr;
}

std::vector<std::string> FakeDisk::files() const {
  const std::lock_guard lock(mutex_);
  return tree_.files();
}

void FakeDisk::flip_bit(const std::string& path, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  Inode& inode = existing(path);
  inode.content.at(bit / 8) ^= static_cast<char>(1u << bit % 8);
  inode.durable_content = inode.content;
}

void FakeDisk::cut(const std::string& path, std::uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  Inode& inode = existing(path);
  inode.content.resize(size_bytes);
  inode.durable_content = inode.content;
}

void FakeDisk::erase(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (tree_.remove(path) != 0) throw std::runtime_error("the fake disk has no file " + path);
  tree_.sync_everything();
}

void FakeDisk::sync_everything() {
  const std::lock_guard lock(mutex_);
  tree_.sync_everything();
}

}  // namespace ckpt::testing
