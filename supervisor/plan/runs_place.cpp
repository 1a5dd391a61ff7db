// SPDX-License-Identifier: Apache-2.0
#include "plan/runs_place.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/working_directory.hpp"
#include "tools/find_run.hpp"

namespace ckpt::plan {
namespace {

namespace stdfs = std::filesystem;

std::string runs_here() { return absolute_path(tools::folder_of_runs()); }

bool is_below(const stdfs::path& path, const stdfs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// Of every folder one of its own, named after its path: two trainings of the same name must not meet.
std::string folder_on_scratch(const BySite& site) {
  if (site.name.empty() || site.scratch.empty()) return {};
  std::error_code missing, unknown;
  const stdfs::path scratch = stdfs::canonical(site.scratch, missing);
  if (missing) {
    log_warning("the preset of {} puts runs on scratch, {}, which is not there: this one stays in ./ckpt-runs", site.name,
                site.scratch);
    return {};
  }
  const stdfs::path here = stdfs::canonical(working_directory(), unknown);
  if (is_below(here, scratch)) return {};  // it is on scratch already
  return stdfs::weakly_canonical(site.runs, unknown) / here.relative_path();
}

}  // namespace

void place_run(const Request& request, Job& job) {
  const std::string here = runs_here();
  if (!job.run.directory.starts_with(here + '/')) return;
  std::error_code unknown;
  const stdfs::file_type type = stdfs::symlink_status(here, unknown).type();
  if (type == stdfs::file_type::symlink)
    job.runs_folder = (stdfs::path(here).parent_path() / stdfs::read_symlink(here, unknown)).lexically_normal();
  else if (type == stdfs::file_type::not_found)
    job.runs_folder = folder_on_scratch(request.by_site);
  if (!job.runs_folder.empty()) job.run.directory.replace(0, here.size(), job.runs_folder);
}

void make_runs_folder(const Job& job, Provisional& made) {
  if (job.runs_folder.empty()) return;
  std::error_code failed, unknown;
  stdfs::create_directories(job.runs_folder, failed);
  if (failed)
    fail_io(failed.value(), "cannot create '{}' (name a place where you may write with --run)", job.runs_folder);
  const std::string here = runs_here();
  if (stdfs::symlink_status(here, unknown).type() != stdfs::file_type::not_found) return;
  stdfs::create_directory_symlink(job.runs_folder, here, failed);
  if (failed) fail_io(failed.value(), "cannot make '{}' a link to '{}'", here, job.runs_folder);
  made.add(here);
  log_info("./ckpt-runs is a link to {}, on scratch", job.runs_folder);
}

}  // namespace ckpt::plan
