// SPDX-License-Identifier: Apache-2.0
#include "block/open_files.hpp"

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <string_view>

namespace ckpt::supervisor {
namespace {

namespace fs = std::filesystem;

// The line "flags:", octal.
bool is_for_writing(pid_t pid, const std::string& descriptor) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/fdinfo/" + descriptor);
  for (std::string word; file >> word;)
    if (word == "flags:" && file >> word) return (std::stol(word, nullptr, 8) & O_ACCMODE) != O_RDONLY;
  return false;
}

}  // namespace

bool is_open_for_writing(const std::string& path, const std::vector<pid_t>& processes) noexcept try {
  const std::string wanted = fs::canonical(path);
  for (const pid_t pid : processes) {
    std::error_code unreadable;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", unreadable)) {
      const fs::path target = fs::read_symlink(entry.path(), unreadable);
      const bool is_of_it = target == wanted || target.string().starts_with(wanted + '/');
      if (is_of_it && is_for_writing(pid, entry.path().filename())) return true;
    }
  }
  return false;
} catch (const std::exception&) {  // it went away meanwhile
  return false;
}

}  // namespace ckpt::supervisor
