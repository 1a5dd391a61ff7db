// SPDX-License-Identifier: Apache-2.0
#include "base/working_directory.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.hpp"

namespace ckpt {

std::string working_directory() {
  const std::unique_ptr<char, decltype(&std::free)> path(::getcwd(nullptr, 0), &std::free);
  if (!path) fail_io(errno, "cannot tell the current directory (cd to one that is there)");
  return path.get();
}

std::string absolute_path(const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::string here = working_directory();
  return (here == "/" ? "" : here) + '/' + path;
}

}  // namespace ckpt
