// SPDX-License-Identifier: Apache-2.0
// What a disk holds, twice: as the kernel shows it now, and as it would be after a power loss. A plain value: copying
// it copies the disk. Threads, counting and faults are fake_disk.hpp's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::testing {

struct Inode {
  std::uint64_t number = 0;
  io::FileKind kind = io::FileKind::file;
  std::string content;
  std::string durable_content;                           // as of the last sync
  bool given_up = false;                                 // a sync failed: later ones succeed and write nothing more
  std::map<std::string, std::uint64_t> entries;          // of a directory: name -> inode number
  std::map<std::string, std::uint64_t> durable_entries;
  std::uint64_t link_count = 0;
  std::uint64_t open_count = 0;
  std::uint64_t bytes_written = 0;                       // by write calls, whatever became of them
  std::uint32_t owner = 0, group = 0, mode = 0;
  double modified = 0;                                   // wall seconds
};

// All functions that return int return 0 or an errno value.
class InodeTree {
 public:
  static constexpr std::size_t page_bytes = 4096;

  std::uint32_t user = 1000;    // whose process calls; 0 may do anything
  std::uint32_t group = 1000;

  InodeTree();

  int find(std::string_view path, Inode*& inode);
  const Inode* find(std::string_view path) const;        // nullptr: absent
  Inode& at(std::uint64_t number) { return inodes_.at(number); }
  int create(std::string_view path, io::FileKind kind, std::uint32_t mode, Inode*& inode);
  int link(std::string_view existing, std::string_view name);
  int rename(std::string_view from, std::string_view to, bool may_replace);
  int remove(std::string_view path);
  void opened(Inode& inode) { ++inode.open_count; }
  void closed(std::uint64_t number) { --inodes_.at(number).open_count; }

  void touch(Inode& inode) { inode.modified = ++now_; }
  void sync(Inode& inode);
  void sync_directory(const Inode& directory);
  void sync_everything();
  bool may_read(const Inode& inode) const { return may(inode, 4); }
  bool may_write(const Inode& inode) const { return may(inode, 2); }
  std::uint64_t used_bytes() const;
  std::vector<std::string> files() const;                // paths, sorted

  InodeTree with_files_closed() const;
  // As after a power loss. With a seed: a random part of the directory changes and of the pages not yet synced had
  // been written back already, as real file systems do in any order.
  InodeTree durable(std::optional<std::uint64_t> seed) const;

 private:
  struct Entry {
    std::uint64_t directory;
    std::string name;
    std::uint64_t inode;                                 // 0: no longer there
  };
  using Change = std::vector<Entry>;                     // durable as a whole or not at all

  int find_parent(std::string_view path, Inode*& directory, std::string& name);
  int find_writable_parent(std::string_view path, Inode*& directory, std::string& name);
  bool may(const Inode& inode, std::uint32_t bit) const;
  void apply(const Change& change);
  void apply_durably(const Change& change);
  void restart_from_durable();

  std::map<std::uint64_t, Inode> inodes_;
  std::vector<Change> pending_;                          // of directories, not yet durable, oldest first
  std::uint64_t next_number_ = 1;
  double now_ = 1700000000;
};

}  // namespace ckpt::testing
