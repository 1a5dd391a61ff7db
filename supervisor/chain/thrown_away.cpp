// SPDX-License-Identifier: Apache-2.0
#include "chain/thrown_away.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/log.hpp"
#include "rundir/layout.hpp"

namespace ckpt::supervisor {

namespace stdfs = std::filesystem;

ThrownAway::ThrownAway(const std::string& run_directory, const std::string& what)
    : path_(fmt::format("{}.{}-{}", rundir::Layout(run_directory).directory(), what, ::getpid())) {
  std::error_code unknown;
  for (stdfs::path parent = stdfs::path(path_).parent_path(); !stdfs::exists(parent, unknown) && parent.has_relative_path();
       parent = parent.parent_path())
    first_made_ = parent;
}

ThrownAway::~ThrownAway() {
  if (keep_) return;
  std::error_code failed;
  stdfs::remove_all(path_, failed);
  if (failed) log_warning("{} was not removed: {}", path_, failed.message());
  if (first_made_.empty()) return;
  for (stdfs::path parent = stdfs::path(path_).parent_path(); stdfs::remove(parent, failed) && parent != first_made_;)
    parent = parent.parent_path();
}

}  // namespace ckpt::supervisor
