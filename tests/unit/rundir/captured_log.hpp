// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace ckpt::testing {

// What is written to stderr while it lives.
class CapturedLog {
 public:
  CapturedLog() : file_(::memfd_create("log", MFD_CLOEXEC)), saved_(::dup(STDERR_FILENO)) {
    ::dup2(file_, STDERR_FILENO);
  }
  ~CapturedLog() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    ::close(file_);
  }
  CapturedLog(const CapturedLog&) = delete;

  std::string text() const {
    std::string text(1u << 16, '\0');
    const ssize_t length = ::pread(file_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return text;
  }
  long lines() const {
    const std::string all = text();
    return std::count(all.begin(), all.end(), '\n');
  }
  bool says(const std::string& words) const { return text().find(words) != std::string::npos; }

 private:
  int file_, saved_;
};

}  // namespace ckpt::testing
