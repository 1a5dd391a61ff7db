// SPDX-License-Identifier: Apache-2.0
#include "block/open_files.hpp"

#include <fcntl.h>

#include <algorithm>
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

// Itself, or in it.
bool is_of(const std::string& wanted, std::string_view path) {
  return path.starts_with(wanted) && (path.size() == wanted.size() || path[wanted.size()] == '/');
}

bool has_open(pid_t pid, const std::string& wanted) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", unreadable)) {
    const std::string target = fs::read_symlink(entry.path(), unreadable);
    if (is_of(wanted, target) && is_for_writing(pid, entry.path().filename())) return true;
  }
  return false;
}

// "7f1c…-7f1d… rw-s 00000000 08:01 1234   /path": shared memory that is written back to the file, which may be closed meanwhile, as
// NumPy's memmap does.
bool has_mapped(pid_t pid, const std::string& wanted) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(file, line);) {
    const std::size_t rights = line.find(' ') + 1, path = line.find('/');
    if (path != line.npos && line[rights + 1] == 'w' && line[rights + 3] == 's' && is_of(wanted, std::string_view(line).substr(path)))
      return true;
  }
  return false;
}

}  // namespace

bool is_open_for_writing(const std::string& path, const std::vector<pid_t>& processes) noexcept try {
  const std::string wanted = fs::canonical(path);
  const auto writes = [&](pid_t pid) { return has_open(pid, wanted) || has_mapped(pid, wanted); };
  return std::any_of(processes.begin(), processes.end(), writes);
} catch (const std::exception&) {  // it went away meanwhile
  return false;
}

}  // namespace ckpt::supervisor
