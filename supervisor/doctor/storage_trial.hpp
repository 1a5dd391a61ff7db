// SPDX-License-Identifier: Apache-2.0
// What a file system can do, tried for real with small files that are removed again; and how much of it is ours.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "doctor/mount.hpp"
#include "doctor/quota.hpp"
#include "io/file_system.hpp"

namespace ckpt::supervisor::doctor {

struct StorageTrial {
  std::string directory;                     // absolute: the run's, or where runs would be
  Mount mount;
  std::optional<io::VolumeInfo> volume;
  // errno of what was tried, 0: it works; absent: not tried, since there was no file to try it on.
  std::optional<int> create, sync, link, rename, sync_directory, direct;
  std::optional<double> clock_skew_seconds;  // the file server's clock minus ours
  std::optional<Quota> quota;                // of this user; absent: see quota_unknown
  std::string quota_unknown;
};
StorageTrial try_storage(io::FileSystem& fs, Clock& clock, const std::string& directory);

}  // namespace ckpt::supervisor::doctor
