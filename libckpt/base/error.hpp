// SPDX-License-Identifier: Apache-2.0
// Errors inside the library are exceptions of one type; the C ABI turns them into ckpt_status at its single door.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

#include "include/ckpt/ckpt.h"

namespace ckpt {

class Error : public std::exception {
 public:
  Error(ckpt_status status, int os_errno, std::string text)
      : status_(status), os_errno_(os_errno), text_(std::move(text)) {}

  ckpt_status status() const noexcept { return status_; }
  int os_errno() const noexcept { return os_errno_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  ckpt_status status_;
  int os_errno_;
  std::string text_;
};

// ENOSPC, EDQUOT, EACCES … to the status a user can act on; everything else is CKPT_ERR_IO.
ckpt_status status_of_errno(int os_errno) noexcept;
// "No space left on device"; thread-safe.
std::string errno_text(int os_errno);

template <class... Args>
[[noreturn]] void fail(ckpt_status status, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(status, 0, fmt::format(format, std::forward<Args>(args)...));
}

// The text gets ": <reason of os_errno>" appended; the status follows from os_errno.
template <class... Args>
[[noreturn]] void fail_io(int os_errno, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(status_of_errno(os_errno), os_errno,
              fmt::format(format, std::forward<Args>(args)...) + ": " + errno_text(os_errno));
}

}  // namespace ckpt
