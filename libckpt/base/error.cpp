// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace ckpt {

ckpt_status status_of_errno(int os_errno) noexcept {
  switch (os_errno) {
    case ENOSPC: return CKPT_ERR_NO_SPACE;
    case EDQUOT: return CKPT_ERR_QUOTA;
    case EACCES:
    case EPERM:
    case EROFS: return CKPT_ERR_PERMISSION;
    case ENOMEM: return CKPT_ERR_MEMORY;
    default: return CKPT_ERR_IO;
  }
}

std::string errno_text(int os_errno) { return std::generic_category().message(os_errno); }

}  // namespace ckpt
