// SPDX-License-Identifier: Apache-2.0
// How much of a file system this user may use: asked from the kernel, from Lustre, or from quota(1), which asks NFS servers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "doctor/mount.hpp"

namespace ckpt::supervisor::doctor {

struct Quota {
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0;             // the tighter one of soft and hard; 0: none
  std::uint64_t used_files = 0, limit_files = 0;
};
struct QuotaAnswer {
  std::optional<Quota> quota;
  std::string why_not;                       // one line
};

// What `lfs quota -q -u NAME MOUNT` and `quota -p -w` print; nullopt: something else, or nothing about that source.
std::optional<Quota> parse_lfs_quota(const std::string& text);
std::optional<Quota> parse_quota(const std::string& text, const std::string& source);

QuotaAnswer ask_quota(Clock& clock, const Mount& mount, const std::string& user);

}  // namespace ckpt::supervisor::doctor
