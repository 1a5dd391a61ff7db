// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace ckpt;

TEST_CASE("a failing disk's errno becomes a status a user can act on, with the reason in the text") {
  CHECK(status_of_errno(ENOSPC) == CKPT_ERR_NO_SPACE);
  CHECK(status_of_errno(EDQUOT) == CKPT_ERR_QUOTA);
  CHECK(status_of_errno(EACCES) == CKPT_ERR_PERMISSION);
  CHECK(status_of_errno(EROFS) == CKPT_ERR_PERMISSION);
  CHECK(status_of_errno(ENOMEM) == CKPT_ERR_MEMORY);
  CHECK(status_of_errno(EIO) == CKPT_ERR_IO);
  try {
    fail_io(ENOSPC, "cannot write {}", "/run/a");
  } catch (const Error& error) {
    CHECK(error.status() == CKPT_ERR_NO_SPACE);
    CHECK(error.os_errno() == ENOSPC);
    CHECK(std::string(error.what()) == "cannot write /run/a: No space left on device");
  }
}
