// SPDX-License-Identifier: Apache-2.0
#include "plan/job_scripts.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "base/error.hpp"
#include "io/publish.hpp"

namespace ckpt::plan {
namespace {

constexpr unsigned names_tried = 10000;

}  // namespace

std::string keep_script(io::FileSystem& fs, const std::string& folder, const std::string& name, const std::string& text,
                        rundir::Permissions permissions) {
  const std::string jobs = folder + "/jobs";
  make_folder(fs, jobs, permissions);
  for (unsigned number = 1; number < names_tried; ++number) {
    const std::string path = fmt::format("{}/{:04}-{}", jobs, number, name);
    if (io::create_once(fs, path, text, permissions.file)) return path;
  }
  fail(CKPT_ERR_RUN_DIRECTORY, "'{}' holds too many job scripts; move them away", jobs);
}

void make_folder(io::FileSystem& fs, const std::string& path, rundir::Permissions permissions) {
  const int error = fs.make_directory(path, permissions.directory);
  if (error != 0 && error != EEXIST)
    fail_io(error, "cannot create '{}' (name a place where you may write with --run)", path);
}

}  // namespace ckpt::plan
