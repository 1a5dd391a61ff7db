// SPDX-License-Identifier: Apache-2.0
#include "tools/find_run.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "chain/identity.hpp"
#include "tools/run_view.hpp"

namespace ckpt::tools {
namespace {

constexpr int levels = 2;   // ckpt-runs/<name>, ckpt-runs/<job>/<task>
constexpr std::size_t names_shown = 5;

bool is_directory(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 && info.kind == io::FileKind::directory;
}

void collect(io::FileSystem& fs, const std::string& top, const std::string& below, int depth,
             std::vector<std::string>& found) {
  std::vector<std::string> names;
  const std::string directory = below.empty() ? top : top + '/' + below;
  if (const int error = fs.list(directory, names)) {
    if (below.empty()) fail_io(error, "cannot list '{}'", directory);
    return;   // somebody else's
  }
  for (const std::string& name : names) {
    const std::string path = below.empty() ? name : below + '/' + name;
    if (is_run(fs, top + '/' + path)) found.push_back(path);
    else if (depth > 1 && is_directory(fs, top + '/' + path)) collect(fs, top, path, depth - 1, found);
  }
}

std::string runs_there_are(const std::vector<std::string>& names) {
  if (names.empty()) return "there is none in ./ckpt-runs";
  const auto shown = std::vector(names.begin(), names.begin() + std::min(names.size(), names_shown));
  return fmt::format("in ./ckpt-runs there is {}{}", fmt::join(shown, ", "), names.size() > names_shown ? ", …" : "");
}

rundir::Layout choose_named(io::FileSystem& fs, const std::string& given) {
  const std::string named = supervisor::identify_run(given, {}).directory;
  for (const std::string& path : {named, given}) {
    if (is_run(fs, path)) return rundir::Layout(path);
  }
  for (const std::string& path : {given, named}) {
    if (is_file(fs, path)) fail(CKPT_ERR_RUN_DIRECTORY, "'{}' is a file, not the directory of a run", path);
  }
  if (is_directory(fs, given)) fail(CKPT_ERR_NOT_FOUND, "'{}' is no run directory: it has no blocks/ and snapshots/", given);
  const bool any = is_directory(fs, folder_of_runs());
  fail(CKPT_ERR_NOT_FOUND, "there is no run '{}'; {}", given,
       runs_there_are(any ? find_runs(fs, folder_of_runs()) : std::vector<std::string>{}));
}

rundir::Layout active_last(io::FileSystem& fs, const std::vector<std::string>& names) {
  const std::string* chosen = nullptr;
  double newest = -1;
  for (const std::string& name : names) {
    const double active = last_sign_of_life(fs, rundir::Layout(folder_of_runs() + '/' + name));
    if (active > newest) chosen = &name;
    newest = std::max(active, newest);
  }
  log_info("{} was active last of the {} runs here; name another with -r NAME", *chosen, names.size());
  return rundir::Layout(folder_of_runs() + '/' + *chosen);
}

}  // namespace

std::string folder_of_runs() { return "ckpt-runs"; }

bool is_run(io::FileSystem& fs, const std::string& directory) {
  return is_directory(fs, directory + "/snapshots") && is_directory(fs, directory + "/blocks");
}

bool is_file(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  return fs.info(path, info) == 0 && info.kind == io::FileKind::file;
}

std::vector<std::string> find_runs(io::FileSystem& fs, const std::string& directory) {
  std::vector<std::string> found;
  collect(fs, directory, "", levels, found);
  std::sort(found.begin(), found.end());
  return found;
}

rundir::Layout choose_run(io::FileSystem& fs, const std::string& given) {
  if (!given.empty()) return choose_named(fs, given);
  if (is_run(fs, ".")) return rundir::Layout(".");
  if (!is_directory(fs, folder_of_runs())) {
    fail(CKPT_ERR_NOT_FOUND, "no run here: '{}' is no run directory and has no ckpt-runs/; go where the program was "
         "started, or name the run with -r NAME|PATH", std::filesystem::current_path().string());
  }
  const std::vector<std::string> names = find_runs(fs, folder_of_runs());
  if (names.empty()) fail(CKPT_ERR_NOT_FOUND, "no run here: ./ckpt-runs is empty; name the run with -r NAME|PATH");
  if (names.size() == 1) return rundir::Layout(folder_of_runs() + '/' + names.front());
  return active_last(fs, names);
}

}  // namespace ckpt::tools
