// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "staging/area.hpp"

namespace ckpt::staging {
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

constexpr std::uint64_t largest_real_limit = unlimited / 4;   // version 1 writes no limit as a number near 2^63

// The names one version of the memory controller gives to the same things.
struct Controller {
  const char* mount;
  const char* limits[2];          // the tightest counts
  const char* usage;
  const char* reclaimable[2];     // keys of memory.stat: the first that is there
  const char* events;             // holds "oom_kill N"
  bool events_include_groups_below;
};
constexpr Controller version_1{"sys/fs/cgroup/memory", {"memory.limit_in_bytes", nullptr}, "memory.usage_in_bytes",
                               {"total_inactive_file", "inactive_file"}, "memory.oom_control", false};
// Beyond memory.high a program is slowed to a crawl: it is as good as the limit.
constexpr Controller version_2{"sys/fs/cgroup", {"memory.max", "memory.high"}, "memory.current",
                               {"inactive_file", nullptr}, "memory.events", true};

// "max" and absent files: nullopt.
std::optional<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// "<key> <number>" or "<key>: <number> kB", one per line.
std::optional<std::uint64_t> read_value(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t number = 0;
    if (words >> name >> number && name == key) return number;
  }
  return std::nullopt;
}

std::uint64_t machine_allows(const std::string& root) {
  const auto kibibytes = read_value(root + "proc/meminfo", "MemAvailable:");
  return kibibytes ? *kibibytes * 1024 : unlimited;
}

std::uint64_t reclaimable(const std::string& group, const Controller& controller) {
  for (const char* key : controller.reclaimable) {
    if (key == nullptr) continue;
    if (const auto bytes = read_value(group + "/memory.stat", key)) return *bytes;
  }
  return 0;
}

std::uint64_t limit_of(const std::string& group, const Controller& controller) {
  std::uint64_t limit = unlimited;
  for (const char* name : controller.limits) {
    if (name != nullptr) limit = std::min(limit, read_number(group + "/" + name).value_or(unlimited));
  }
  return limit > largest_real_limit ? unlimited : limit;
}

std::uint64_t group_allows(const std::string& group, const Controller& controller) {
  const std::uint64_t limit = limit_of(group, controller);
  const auto usage = read_number(group + "/" + controller.usage);
  if (limit == unlimited || !usage) return unlimited;
  const std::uint64_t fixed = *usage - std::min(*usage, reclaimable(group, controller));
  return limit - std::min(limit, fixed);
}

using Visit = std::function<void(const std::string& group, const Controller& controller)>;

// The group itself and all above it. Inside a container its path may be the host's: then only the mount's root, which
// is the container's own group, is there.
void visit_upwards(const std::string& root, std::string path, const Controller& controller, const Visit& visit) {
  for (;;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    visit(root + controller.mount + path, controller);
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

// A line of /proc/self/cgroup: "4:memory:/slurm/job_7", "5:cpu,memory:/job", "0::/system.slice/job" (v2).
void visit_groups_of_line(const std::string& root, const std::string& line, const Visit& visit) {
  const auto first = line.find(':');
  const auto second = line.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) return;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  const std::string path = line.substr(second + 1);
  if (controllers.empty()) visit_upwards(root, path, version_2, visit);
  else if (("," + controllers + ",").find(",memory,") != std::string::npos) visit_upwards(root, path, version_1, visit);
}

void visit_memory_groups(const std::string& root, const Visit& visit) {
  std::ifstream groups(root + "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) visit_groups_of_line(root, line, visit);
}

}  // namespace

std::uint64_t memory_still_allowed(const char* root) {
  const std::string prefix = std::string(root) + "/";
  std::uint64_t allowed = machine_allows(prefix);
  visit_memory_groups(prefix, [&](const std::string& group, const Controller& controller) {
    allowed = std::min(allowed, group_allows(group, controller));
  });
  return allowed;
}

// Version 1 counts a kill in the group of the process, although the limit is that of a group above: Slurm's task has none,
// its step has. A group that no limit is at or above is the machine's or a user's: somebody else's business.
std::uint64_t processes_killed_for_memory(const char* root) {
  const std::string prefix = std::string(root) + "/";
  std::uint64_t killed = 0, below_a_limit = 0;
  visit_memory_groups(prefix, [&](const std::string& group, const Controller& controller) {
    const std::uint64_t here = read_value(group + "/" + controller.events, "oom_kill").value_or(0);
    below_a_limit = controller.events_include_groups_below ? here : below_a_limit + here;
    if (limit_of(group, controller) != unlimited) killed += std::exchange(below_a_limit, 0);
    if (group == prefix + controller.mount) below_a_limit = 0;
  });
  return killed;
}

}  // namespace ckpt::staging
