// SPDX-License-Identifier: Apache-2.0
#include "block/process_tree.hpp"

#include <dirent.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

namespace ckpt::supervisor {
namespace {

constexpr double kill_seconds = 10;     // a killed process that is still there after that hangs in the kernel
constexpr double first_look_again_seconds = 0.005, longest_look_again_seconds = 0.1;

// 0: gone, or a zombie that only waits to be reaped.
pid_t parent_of(pid_t pid) {
  char path[64], stat[512];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  std::FILE* file = std::fopen(path, "re");
  if (!file) return 0;
  const std::size_t length = std::fread(stat, 1, sizeof stat - 1, file);
  std::fclose(file);
  stat[length] = '\0';
  const char* after_name = std::strrchr(stat, ')');   // the name may hold anything
  char state = 0;
  int parent = 0;
  if (!after_name || std::sscanf(after_name + 1, " %c %d", &state, &parent) != 2) return 0;
  return state == 'Z' || state == 'X' ? 0 : parent;
}

std::unordered_map<pid_t, pid_t> parents() {
  std::unordered_map<pid_t, pid_t> result;
  DIR* folder = ::opendir("/proc");
  if (!folder) return result;
  while (const dirent* entry = ::readdir(folder)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    if (const pid_t parent = parent_of(pid); parent > 0) result.emplace(pid, parent);
  }
  ::closedir(folder);
  return result;
}

// A zombie's children have been given to us already, so chains of living parents lead here.
bool leads_to(pid_t pid, pid_t ancestor, const std::unordered_map<pid_t, pid_t>& parent) {
  for (std::size_t hops = 0; hops <= parent.size(); ++hops) {
    const auto found = parent.find(pid);
    if (found == parent.end()) return false;
    if (found->second == ancestor) return true;
    pid = found->second;
  }
  return false;
}

bool signal_until_gone(Clock& clock, int number, double seconds, const std::function<bool()>& reap) {
  const double until = clock.monotonic_seconds() + seconds;
  std::vector<pid_t> told;
  for (double pause = first_look_again_seconds;; pause = std::min(2 * pause, longest_look_again_seconds)) {
    if (!reap()) return true;
    for (const pid_t pid : descendants()) {
      if (number != SIGKILL && std::find(told.begin(), told.end(), pid) != told.end()) continue;
      ::kill(pid, number);
      ::kill(pid, SIGCONT);   // a stopped process would not see it
      told.push_back(pid);
    }
    if (clock.monotonic_seconds() >= until) return false;
    clock.sleep_seconds(pause);
  }
}

bool handles(pid_t pid, int number) {
  char path[64], line[256];
  std::snprintf(path, sizeof path, "/proc/%d/status", pid);
  std::FILE* file = std::fopen(path, "re");
  if (!file) return false;
  unsigned long long caught = 0;
  while (std::fgets(line, sizeof line, file))
    if (std::sscanf(line, "SigCgt: %llx", &caught) == 1) break;
  std::fclose(file);
  return (caught >> (number - 1) & 1) != 0;
}

}  // namespace

void become_subreaper() noexcept { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

std::vector<pid_t> processes_of_node() {
  std::vector<pid_t> all;
  for (const auto& [pid, parent] : parents()) all.push_back(pid);
  return all;
}

std::vector<pid_t> descendants() {
  const auto parent = parents();
  std::vector<pid_t> result;
  for (const auto& [pid, its_parent] : parent)
    if (leads_to(pid, ::getpid(), parent)) result.push_back(pid);
  return result;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> result;
  for (const auto& [child, its_parent] : parents())
    if (its_parent == pid) result.push_back(child);
  return result;
}

bool any_handles(pid_t root, int number) {
  if (handles(root, number)) return true;
  const auto parent = parents();
  return std::any_of(parent.begin(), parent.end(), [&](const auto& one) { return leads_to(one.first, root, parent) && handles(one.first, number); });
}

std::size_t signal_those_who_handle(pid_t root, int number) {
  if (handles(root, number)) return ::kill(root, number) == 0 ? 1 : 0;
  std::size_t told = 0;
  for (const auto& [pid, parent] : parents())
    if (parent == root) told += signal_those_who_handle(pid, number);
  return told;
}

TreeEnd end_descendants(Clock& clock, double grace_seconds, const std::function<bool()>& reap) {
  if (signal_until_gone(clock, SIGTERM, grace_seconds, reap)) return TreeEnd::ended;
  return signal_until_gone(clock, SIGKILL, kill_seconds, reap) ? TreeEnd::killed : TreeEnd::left;
}

}  // namespace ckpt::supervisor
