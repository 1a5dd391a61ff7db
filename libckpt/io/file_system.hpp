// SPDX-License-Identifier: Apache-2.0
// The one seam to the disk. Everything that must survive goes through it, HDF5's bytes included, so that a test can
// fail call N, drop what was not synced, or pause while another owner acts.
//
// Convention: every call returns 0 or an errno value and never throws (HDF5's C frames lie between some callers and
// their catch); results go to out-parameters, which are untouched on failure. Implementations are thread-safe; one
// File may be used by several threads at disjoint offsets.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ckpt::io {

class File {
 public:
  virtual ~File() = default;   // closes; an error that only close would tell is lost: call close()
  // Reads up to to.size() bytes; fewer only at the end of the file.
  [[nodiscard]] virtual int read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) = 0;
  // Writes all of it.
  [[nodiscard]] virtual int write_at(std::uint64_t offset, std::span<const std::byte> from) = 0;
  // Writes all of it at the end of the file, in one piece as far as the file system honours O_APPEND.
  [[nodiscard]] virtual int append(std::span<const std::byte> from) = 0;
  [[nodiscard]] virtual int size(std::uint64_t& bytes) = 0;
  [[nodiscard]] virtual int truncate(std::uint64_t bytes) = 0;
  [[nodiscard]] virtual int sync() = 0;     // fsync; after a failure the file's content is unknown: drop it
  [[nodiscard]] virtual int close() = 0;    // once; afterwards only the destructor
};

enum class OpenMode {
  read,         // must exist
  create_new,   // read and write; EEXIST if it is there
  append,       // created when absent; for append() only
};

enum class FileKind { file, directory, other };

struct FileInfo {
  FileKind kind = FileKind::other;
  std::uint64_t size_bytes = 0;
  std::uint64_t link_count = 0;
  std::uint64_t device = 0, inode = 0;
  std::uint32_t owner = 0;      // uid
  std::uint32_t group = 0;
  std::uint32_t mode = 0;       // permission bits, setgid included
  double modified = 0;          // wall seconds
};

struct VolumeInfo {
  std::uint64_t free_bytes = 0;    // to an unprivileged user
  std::uint64_t total_bytes = 0;
  bool in_memory = false;          // tmpfs, ramfs: gone with the machine
  bool read_only = false;
  bool of_the_kernel = false;      // proc, sysfs, cgroup: no place for files
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // `permissions` of what is created, here and below: less the umask, unless they name the group and no others (0640).
  [[nodiscard]] virtual int open(const std::string& path, OpenMode mode, std::uint32_t permissions,
                                 std::unique_ptr<File>& file) = 0;
  [[nodiscard]] virtual int make_directory(const std::string& path, std::uint32_t permissions) = 0;
  // Fails with EEXIST when `to` is there (renameat2 RENAME_NOREPLACE, or link + unlink where that is refused).
  [[nodiscard]] virtual int rename_new(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual int rename_replacing(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual int link(const std::string& existing, const std::string& name) = 0;
  [[nodiscard]] virtual int remove(const std::string& path) = 0;              // a file
  [[nodiscard]] virtual int list(const std::string& directory, std::vector<std::string>& names) = 0;  // unsorted
  [[nodiscard]] virtual int info(const std::string& path, FileInfo& info) = 0;   // follows symbolic links
  [[nodiscard]] virtual int touch(const std::string& path) = 0;
  [[nodiscard]] virtual int sync_directory(const std::string& path) = 0;
  [[nodiscard]] virtual int volume(const std::string& path, VolumeInfo& volume) = 0;
};

// The file system of this process: POSIX unless a test has set another. Not exported by libckpt.so.
FileSystem& file_system();
FileSystem& posix_file_system();
void set_file_system(FileSystem* other) noexcept;   // nullptr: POSIX again

// False also when it cannot be told.
bool is_file(FileSystem& fs, const std::string& path);
bool is_directory(FileSystem& fs, const std::string& path);
// What link() answers where a file system has no links, or no more of them.
bool refuses_links(int error) noexcept;

}  // namespace ckpt::io
