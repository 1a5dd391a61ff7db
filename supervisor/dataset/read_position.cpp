// SPDX-License-Identifier: Apache-2.0
#include "dataset/read_position.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

namespace ckpt::supervisor {
namespace {

namespace stdfs = std::filesystem;

// "pos:\t4096\nflags:\t…"
std::optional<std::uint64_t> position_in(const stdfs::path& fdinfo) {
  std::ifstream file(fdinfo);
  std::string word;
  std::uint64_t position = 0;
  return file >> word >> position && word == "pos:" ? std::optional(position) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> read_position(const std::vector<pid_t>& processes, const std::string& path) {
  for (const pid_t pid : processes) {
    const stdfs::path proc = fmt::format("/proc/{}", pid);
    std::error_code gone, other;
    for (stdfs::directory_iterator fd(proc / "fd", gone), end; !gone && fd != end; fd.increment(gone))
      if (stdfs::equivalent(fd->path(), path, other))
        if (const auto position = position_in(proc / "fdinfo" / fd->path().filename())) return position;
  }
  return std::nullopt;
}

}  // namespace ckpt::supervisor
