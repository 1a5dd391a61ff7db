// SPDX-License-Identifier: Apache-2.0
// Who a process is, so that another one can later tell for certain that it is gone.
#pragma once

#include <cstdint>
#include <string>

namespace ckpt {

struct ProcessIdentity {
  std::string host;
  std::string machine_id;      // /etc/machine-id, or empty
  std::string boot_id;         // /proc/sys/kernel/random/boot_id
  std::string pid_namespace;   // "pid:[4026531836]"
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;   // /proc/PID/stat field 22: a pid alone may be another process's by now
  std::string user;

  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity identify_process(std::int64_t pid);   // of this machine; start_ticks = 0 when it is not there
ProcessIdentity identify_self();

// Not a comparison of all fields: a user may change, a process without start_ticks is known to nobody.
bool is_same_process(const ProcessIdentity& one, const ProcessIdentity& other);

enum class OwnerState { alive, gone, unknown };

// alive/gone only where that is certain: same boot and pid namespace, or same machine after a reboot. Else unknown.
OwnerState local_owner_state(const ProcessIdentity& owner);

// "pid 4711 on node12"
std::string describe(const ProcessIdentity& process);

}  // namespace ckpt
