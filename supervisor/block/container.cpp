// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "block/process_tree.hpp"

namespace ckpt::supervisor {
namespace {

namespace stdfs = std::filesystem;

constexpr std::string_view launchers[] = {"apptainer", "singularity", "starter", "starter-suid", "appinit", "sinit"};
constexpr std::string_view shells[] = {"bash", "dash", "sh"};
constexpr std::string_view mounts[] = {"squashfuse", "squashfuse_ll", "fuse-overlayfs", "fuse2fs", "gocryptfs"};

bool is_one_of(const auto& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

// A script's is its file's name; what is longer than 15 letters is cut.
std::string name_of(pid_t pid) {
  std::ifstream file(folder_of(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

bool catches_term(pid_t pid) {
  std::ifstream status(folder_of(pid) + "/status");
  for (std::string word; status >> word;)
    if (word == "SigCgt:" && status >> word) return std::stoull(word, nullptr, 16) >> (SIGTERM - 1) & 1;
  return false;
}

// Somebody's trap would not be run.
bool is_shell_without_trap(pid_t pid) {
  std::error_code gone;
  return is_one_of(shells, stdfs::read_symlink(folder_of(pid) + "/exe", gone).filename().string()) && !catches_term(pid);
}

}  // namespace

pid_t program_inside(pid_t pid) {
  for (pid_t inside = pid, at = pid;;) {
    const bool is_launcher = is_one_of(launchers, name_of(at));
    if (!is_launcher && !is_shell_without_trap(at)) return inside;
    std::vector<pid_t> children = children_of(at);
    std::erase_if(children, [](pid_t child) { return is_one_of(mounts, name_of(child)); });
    if (children.size() != 1) return inside;
    at = children.front();
    if (is_launcher) inside = at;
  }
}

}  // namespace ckpt::supervisor
