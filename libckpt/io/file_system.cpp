// SPDX-License-Identifier: Apache-2.0
#include "io/file_system.hpp"

#include <atomic>

namespace ckpt::io {
namespace {

std::atomic<FileSystem*> file_system_in_force{nullptr};

}  // namespace

FileSystem& file_system() {
  FileSystem* set = file_system_in_force.load(std::memory_order_acquire);
  return set ? *set : posix_file_system();
}

void set_file_system(FileSystem* other) noexcept { file_system_in_force.store(other, std::memory_order_release); }

}  // namespace ckpt::io
