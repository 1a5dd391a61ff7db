// SPDX-License-Identifier: Apache-2.0
#include "io/clone.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace ckpt::io {

int clone_content(const std::string& from, const std::string& to) noexcept {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = source < 0 ? -1 : ::open(to.c_str(), O_WRONLY | O_CLOEXEC);
  const int error = target >= 0 && ::ioctl(target, FICLONE, source) == 0 ? 0 : errno;
  if (target >= 0) ::close(target);
  if (source >= 0) ::close(source);
  return error;
}

}  // namespace ckpt::io
