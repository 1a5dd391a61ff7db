// SPDX-License-Identifier: Apache-2.0
#include "io/file_system.hpp"

#include <atomic>
#include <cerrno>

namespace ckpt::io {
namespace {

std::atomic<FileSystem*> file_system_in_force{nullptr};

}  // namespace

FileSystem& file_system() {
  FileSystem* set = file_system_in_force.load(std::memory_order_acquire);
  return set ? *set : posix_file_system();
}

void set_file_system(FileSystem* other) noexcept { file_system_in_force.store(other, std::memory_order_release); }

bool is_file(FileSystem& fs, const std::string& path) {
  FileInfo info;
  return fs.info(path, info) == 0 && info.kind == FileKind::file;
}

bool is_directory(FileSystem& fs, const std::string& path) {
  FileInfo info;
  return fs.info(path, info) == 0 && info.kind == FileKind::directory;
}

bool refuses_links(int error) noexcept {
  return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK || error == EXDEV;
}

}  // namespace ckpt::io
