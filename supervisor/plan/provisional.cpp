// SPDX-License-Identifier: Apache-2.0
#include "plan/provisional.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "io/publish.hpp"

namespace ckpt::plan {
namespace {

namespace stdfs = std::filesystem;

bool is_missing(const std::string& path) {
  std::error_code unknown;
  return stdfs::symlink_status(path, unknown).type() == stdfs::file_type::not_found;
}

}  // namespace

Provisional::Provisional(const rundir::Layout& layout) {
  const std::string& run = layout.directory();
  for (std::string path = run; is_missing(path); path = io::parent_directory(path))
    missing_folders_.insert(missing_folders_.begin(), path);
  for (const std::string& part : {layout.blocks(), layout.snapshots(), layout.kept(), layout.control(), layout.logs(),
                                  run + "/jobs", run + "/code"})
    if (is_missing(part)) missing_folders_.push_back(part);
}

const std::string& Provisional::add(std::string path) { return made_.emplace_back(std::move(path)); }

Provisional::~Provisional() {
  if (kept_) return;
  std::error_code ignored;  // what cannot be removed stays
  for (const std::string& path : made_) stdfs::remove_all(path, ignored);
  for (auto path = missing_folders_.rbegin(); path != missing_folders_.rend(); ++path) stdfs::remove(*path, ignored);
}

}  // namespace ckpt::plan
