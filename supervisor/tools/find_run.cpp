// SPDX-License-Identifier: Apache-2.0
#include "tools/find_run.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/working_directory.hpp"
#include "chain/identity.hpp"
#include "tools/run_view.hpp"

namespace ckpt::tools {
namespace {

constexpr int levels = 2;   // ckpt-runs/<name>, ckpt-runs/<job>/<task>
constexpr std::size_t names_shown = 5;

// Runs below one folder, and what in it hides from this user.
class Search {
 public:
  Search(io::FileSystem& fs, const std::string& top) : fs_(fs), top_(top) {}

  void look_through(const std::string& below, int depth) {
    std::vector<std::string> names;
    const int error = fs_.list(path_of(below), names);
    if (error != 0 && below.empty()) fail_io(error, "cannot list '{}'", top_);
    if (is_refused(error)) hide(below, error);
    for (const std::string& name : names) look_at(below.empty() ? name : below + '/' + name, depth);
  }
  std::vector<std::string> found;
  std::size_t hidden = 0;

 private:
  static bool is_refused(int error) { return error == EACCES || error == EPERM; }
  std::string path_of(const std::string& below) const { return below.empty() ? top_ : top_ + '/' + below; }

  void look_at(const std::string& below, int depth) {
    io::FileInfo info;
    if (is_run(fs_, path_of(below))) found.push_back(below);
    else if (const int error = fs_.info(path_of(below) + "/blocks", info); is_refused(error)) hide(below, error);
    else if (depth > 1 && io::is_directory(fs_, path_of(below))) look_through(below, depth - 1);
  }
  void hide(const std::string& below, int error) {
    ++hidden;
    log_warning("'{}' is left out: {}", path_of(below), errno_text(error));
  }

  io::FileSystem& fs_;
  std::string top_;
};

bool natural_order(const std::string& one, const std::string& other) {
  return ::strverscmp(one.c_str(), other.c_str()) < 0;
}

std::string runs_there_are(const std::vector<std::string>& names) {
  if (names.empty()) return "there is none in ./ckpt-runs";
  const auto shown = std::vector(names.begin(), names.begin() + std::min(names.size(), names_shown));
  return fmt::format("in ./ckpt-runs there is {}{}", fmt::join(shown, ", "), names.size() > names_shown ? ", …" : "");
}

rundir::Layout choose_named(io::FileSystem& fs, const std::string& given) {
  const std::string named = supervisor::identify_run(given).directory;
  for (const std::string& path : {named, given}) {
    if (is_run(fs, path)) return rundir::Layout(path);
  }
  for (const std::string& path : {given, named}) {
    if (io::is_file(fs, path)) fail(CKPT_ERR_RUN_DIRECTORY, "'{}' is a file, not the directory of a run", path);
  }
  io::FileInfo info;
  for (const std::string& path : {named, given}) {
    const int error = fs.info(path + "/blocks", info);
    if (error == EACCES) fail_io(error, "cannot look into '{}'", path);
  }
  if (io::is_directory(fs, given)) fail(CKPT_ERR_NOT_FOUND, "'{}' is no run directory: it has no blocks/ and snapshots/", given);
  const bool any = io::is_directory(fs, folder_of_runs());
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
  return io::is_directory(fs, directory + "/snapshots") && io::is_directory(fs, directory + "/blocks");
}

bool names_a_file(io::FileSystem& fs, const std::string& text) {
  return !text.empty() && io::is_file(fs, text) && !is_run(fs, supervisor::identify_run(text).directory);
}

std::vector<std::string> find_runs(io::FileSystem& fs, const std::string& directory, std::size_t* hidden) {
  Search search(fs, directory);
  search.look_through("", levels);
  if (hidden) *hidden = search.hidden;
  std::sort(search.found.begin(), search.found.end(), natural_order);
  return search.found;
}

rundir::Layout choose_run(io::FileSystem& fs, const std::string& given) {
  if (!given.empty()) return choose_named(fs, given);
  if (is_run(fs, ".")) return rundir::Layout(".");
  if (!io::is_directory(fs, folder_of_runs())) {
    fail(CKPT_ERR_NOT_FOUND, "no run here: '{}' is no run directory and has no ckpt-runs/; go where the program was "
         "started, or name the run with -r NAME|PATH", working_directory());
  }
  const std::vector<std::string> names = find_runs(fs, folder_of_runs());
  if (names.empty()) fail(CKPT_ERR_NOT_FOUND, "no run here: ./ckpt-runs is empty; name the run with -r NAME|PATH");
  if (names.size() == 1) return rundir::Layout(folder_of_runs() + '/' + names.front());
  return active_last(fs, names);
}

}  // namespace ckpt::tools
