// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <new>
#include <string_view>

#include "io/file_system.hpp"
#include "io/posix_file.hpp"

namespace ckpt::io {
namespace {

constexpr unsigned long of_the_kernel[] = {PROC_SUPER_MAGIC,  SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                           DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, SECURITYFS_MAGIC};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::read: return O_RDONLY | O_CLOEXEC;
    case OpenMode::create_new: return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    case OpenMode::append: return O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

int open_descriptor(const char* path, int flags, mode_t permissions, int& descriptor) {
  do descriptor = ::open(path, flags, permissions);
  while (descriptor < 0 && errno == EINTR);
  return descriptor < 0 ? errno : 0;
}

// For kernels and file systems without RENAME_NOREPLACE (NFS among them).
int rename_by_link(const char* from, const char* to) {
  if (::link(from, to) == 0) {
    ::unlink(from);   // should it fail, `to` is complete all the same; `from` is a second name of it
    return 0;
  }
  if (!refuses_links(errno)) return errno;
  // No links either, or a directory: two callers could both find the name free. Snapshots carry the block number, which
  // one owner alone has; so this is the last resort and not a race in practice.
  struct stat status {};
  if (::lstat(to, &status) == 0) return EEXIST;
  if (errno != ENOENT) return errno;
  return ::rename(from, to) == 0 ? 0 : errno;
}

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::file;
  return S_ISDIR(mode) ? FileKind::directory : FileKind::other;
}

int read_names(DIR* directory, std::vector<std::string>& names) try {
  std::vector<std::string> found;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory);
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") found.emplace_back(name);
  }
  if (errno != 0) return errno;
  names = std::move(found);
  return 0;
} catch (const std::bad_alloc&) {
  return ENOMEM;
}

// What is made for the group is meant for it: the umask, set for all files, must not undo that. mkdir drops setgid.
bool is_for_group(std::uint32_t permissions) { return (permissions & 070) != 0 && (permissions & 07) == 0; }

class PosixFileSystem final : public FileSystem {
 public:
  int open(const std::string& path, OpenMode mode, std::uint32_t permissions, std::unique_ptr<File>& file) override {
    int descriptor = -1;
    if (int error = open_descriptor(path.c_str(), open_flags(mode), permissions, descriptor)) return error;
    if (mode != OpenMode::read && is_for_group(permissions)) ::fchmod(descriptor, permissions);
    auto* opened = new (std::nothrow) PosixFile(descriptor, mode);
    if (!opened) {
      ::close(descriptor);
      return ENOMEM;
    }
    file.reset(opened);
    return 0;
  }

  int make_directory(const std::string& path, std::uint32_t permissions) override {
    if (::mkdir(path.c_str(), permissions) != 0) return errno;
    if (is_for_group(permissions)) ::chmod(path.c_str(), permissions);
    return 0;
  }

  int rename_new(const std::string& from, const std::string& to) override {
    // By number: glibc before 2.28 has no renameat2().
    if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    return errno == EINVAL || errno == ENOSYS ? rename_by_link(from.c_str(), to.c_str()) : errno;
  }

  int rename_replacing(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  }

  int link(const std::string& existing, const std::string& name) override {
    return ::link(existing.c_str(), name.c_str()) == 0 ? 0 : errno;
  }

  int remove(const std::string& path) override { return ::unlink(path.c_str()) == 0 ? 0 : errno; }

  int list(const std::string& directory, std::vector<std::string>& names) override {
    DIR* opened = ::opendir(directory.c_str());   // sets O_CLOEXEC
    if (!opened) return errno;
    const int error = read_names(opened, names);
    ::closedir(opened);
    return error;
  }

  int info(const std::string& path, FileInfo& info) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno;
    info.kind = kind_of(status.st_mode);
    info.size_bytes = static_cast<std::uint64_t>(status.st_size);
    info.link_count = status.st_nlink;
    info.device = status.st_dev;
    info.inode = status.st_ino;
    info.owner = status.st_uid;
    info.group = status.st_gid;
    info.mode = status.st_mode & 07777;
    info.modified = static_cast<double>(status.st_mtim.tv_sec) + static_cast<double>(status.st_mtim.tv_nsec) * 1e-9;
    return 0;
  }

  int touch(const std::string& path) override {
    return ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0 ? 0 : errno;
  }

  int sync_directory(const std::string& path) override {
    int descriptor = -1;
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    if (int error = open_descriptor(path.c_str(), flags, 0, descriptor)) return error;
    const int error = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    return error;
  }

  int volume(const std::string& path, VolumeInfo& volume) override {
    struct statfs status {};
    while (::statfs(path.c_str(), &status) != 0) {
      if (errno != EINTR) return errno;
    }
    const auto block_bytes = static_cast<std::uint64_t>(status.f_frsize ? status.f_frsize : status.f_bsize);
    const auto magic = static_cast<unsigned long>(status.f_type);
    volume.free_bytes = status.f_bavail * block_bytes;
    volume.total_bytes = status.f_blocks * block_bytes;
    volume.of_the_kernel = std::ranges::find(of_the_kernel, magic) != std::end(of_the_kernel);
    volume.in_memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
    volume.read_only = (static_cast<unsigned long>(status.f_flags) & ST_RDONLY) != 0;
    return 0;
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem posix;
  return posix;
}

}  // namespace ckpt::io
