// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt::supervisor::doctor {

// Where a directory is.
struct Mount {
  std::string type;      // "lustre", "nfs4", "ext4"; empty: unknown
  std::string source;    // "/dev/sda1", "server:/export"
  std::string point;     // "/scratch"
};
// `mountinfo`: the text of /proc/self/mountinfo.
Mount mount_of(const std::string& mountinfo, const std::string& absolute_path);

}  // namespace ckpt::supervisor::doctor
