// SPDX-License-Identifier: Apache-2.0
// Copying a file without copying its bytes, on file systems that can (XFS, Btrfs). It speeds a copy up and decides
// nothing, so it stands beside the seam to the disk: what is cloned is still synced through that.
#pragma once

#include <string>

namespace ckpt::io {

// `to` is there and empty. 0, or an errno value: then it is still empty.
int clone_content(const std::string& from, const std::string& to) noexcept;

}  // namespace ckpt::io
