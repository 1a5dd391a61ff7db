// SPDX-License-Identifier: Apache-2.0
#include "base/process_identity.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace ckpt {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string link_target(const char* path) {
  char target[256];
  const ssize_t length = ::readlink(path, target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

// 0 when there is no such process, or only its zombie: a zombie writes nothing any more.
std::uint64_t start_ticks(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  std::size_t at = stat.rfind(')');  // the command name may hold anything, ')' and spaces included
  if (at == std::string::npos || at + 2 >= stat.size()) return 0;
  const char state = stat[at + 2];
  if (state == 'Z' || state == 'X') return 0;
  constexpr int start_time_field = 22, state_field = 3;
  at += 2;
  for (int field = state_field; field < start_time_field; ++field) {
    at = stat.find(' ', at);
    if (at == std::string::npos) return 0;
    ++at;
  }
  return std::strtoull(stat.c_str() + at, nullptr, 10);
}

std::string user_name() {
  char buffer[1024];
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found) return found->pw_name;
  return fmt::format("uid {}", geteuid());
}

}  // namespace

ProcessIdentity identify_process(std::int64_t pid) {
  ProcessIdentity who;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  who.host = host;
  who.machine_id = first_line("/etc/machine-id");
  who.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  who.pid_namespace = link_target("/proc/self/ns/pid");
  who.pid = pid;
  who.start_ticks = start_ticks(pid);
  who.user = user_name();
  return who;
}

ProcessIdentity identify_self() { return identify_process(::getpid()); }

bool is_same_process(const ProcessIdentity& one, const ProcessIdentity& other) {
  return one.pid == other.pid && one.start_ticks != 0 && one.start_ticks == other.start_ticks && !one.boot_id.empty() &&
         one.boot_id == other.boot_id && one.pid_namespace == other.pid_namespace;
}

OwnerState local_owner_state(const ProcessIdentity& owner) {
  const ProcessIdentity here = identify_process(owner.pid);
  if (owner.boot_id.empty() || here.boot_id.empty()) return OwnerState::unknown;
  if (owner.boot_id == here.boot_id) {
    // Same kernel, another pid namespace (a container): its pids mean nothing here.
    if (owner.pid_namespace != here.pid_namespace || owner.pid_namespace.empty()) return OwnerState::unknown;
    return here.start_ticks != 0 && here.start_ticks == owner.start_ticks ? OwnerState::alive : OwnerState::gone;
  }
  const bool same_machine = !owner.machine_id.empty() && owner.machine_id == here.machine_id && owner.host == here.host;
  return same_machine ? OwnerState::gone : OwnerState::unknown;
}

std::string describe(const ProcessIdentity& process) { return fmt::format("pid {} on {}", process.pid, process.host); }

}  // namespace ckpt
