// SPDX-License-Identifier: Apache-2.0
#include "plan/freeze.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"
#include "slurm/command.hpp"
#include "slurm/text.hpp"

namespace ckpt::plan {
namespace {

namespace stdfs = std::filesystem;
using supervisor::slurm::Command;

constexpr double git_patience_seconds = 120;
constexpr std::uintmax_t small_file_bytes = 1u << 20;
constexpr std::size_t names_shown = 5;
constexpr unsigned copies_tried = 10000;
constexpr const char* runs = "ckpt-runs";  // never copied: it holds the copies

class Repository {
 public:
  Repository(Clock& clock, const std::string& directory) : clock_(clock), directory_(directory) {
    root_ = git({"rev-parse", "--show-toplevel"});
    if (root_.ends_with('\n')) root_.pop_back();
  }
  stdfs::path root() const { return root_; }
  // Paths below the root.
  std::vector<std::string> files(std::vector<std::string> selection) const {
    std::vector<std::string> words = {"ls-files", "-z", "--full-name"};
    words.insert(words.end(), selection.begin(), selection.end());
    words.push_back(":/");  // all of it, wherever we stand
    const std::string text = git(words);
    std::vector<std::string> names;
    for (const std::string_view name : supervisor::slurm::split(text, '\0'))
      if (!name.empty()) names.emplace_back(name);
    return names;
  }

 private:
  std::string git(std::vector<std::string> words) const {
    words.insert(words.begin(), {"git", "-C", directory_});
    const Command command{words, supervisor::child_environment({})};
    const auto answer = supervisor::slurm::run(clock_, command, supervisor::slurm::once(git_patience_seconds));
    if (answer.ok()) return answer.output;
    fail(CKPT_ERR_CONFIG,
         "--freeze copies what git knows, and it does not work in {}: {}; make it a repository (git init; "
         "git add .), or leave out --freeze",
         directory_, describe(command, answer));
  }

  Clock& clock_;
  std::string directory_, root_;
};

class Copy {
 public:
  // `excluded`: below `from`, the folder that holds the copy.
  Copy(stdfs::path from, stdfs::path to, stdfs::path excluded)
      : from_(std::move(from)), to_(std::move(to)), excluded_(std::move(excluded)) {}

  // A file that is tracked but deleted is simply not there; a folder is what git does not look into.
  void take(const std::string& name) {
    if (is_excluded(name) || !stdfs::exists(stdfs::symlink_status(from_ / name))) return;
    if (stdfs::is_directory(stdfs::symlink_status(from_ / name))) return leave(name, "a repository of its own");
    stdfs::create_directories((to_ / name).parent_path());
    if (stdfs::is_regular_file(stdfs::symlink_status(from_ / name))) bytes_ += stdfs::file_size(from_ / name);
    stdfs::copy(from_ / name, to_ / name, stdfs::copy_options::copy_symlinks);
    ++files_;
  }
  void take_if_small(const std::string& name) {
    std::error_code ignored;
    const bool file = stdfs::is_regular_file(stdfs::symlink_status(from_ / name, ignored));
    const std::uintmax_t size = file ? stdfs::file_size(from_ / name, ignored) : 0;
    if (size <= small_file_bytes) return take(name);
    leave(name, format_size(size));
  }
  void leave(std::string name, const std::string& why) {
    while (name.ends_with('/')) name.pop_back();
    if (is_excluded(name)) return;
    link(name);
    if (left_out_++ < names_shown) left_names_ += fmt::format("{}{} ({})", left_names_.empty() ? "" : ", ", name, why);
  }
  void link(const std::string& name) {
    std::error_code ignored;
    stdfs::create_directories((to_ / name).parent_path(), ignored);
    if (stdfs::exists(from_ / name, ignored)) stdfs::create_symlink(from_ / name, to_ / name, ignored);
  }
  void tell() const {
    log_info("froze {} ({}) in {}", count_of(files_, "file"), format_size(bytes_), to_.string());
    if (left_out_ > 0)
      log_info("left out of it, and linked to where they are: {}{}", left_names_,
               left_out_ > names_shown ? fmt::format(" and {} more", left_out_ - names_shown) : "");
  }

 private:
  bool is_excluded(const stdfs::path& name) const {
    if (std::find(name.begin(), name.end(), runs) != name.end()) return true;
    return std::mismatch(excluded_.begin(), excluded_.end(), name.begin(), name.end()).first == excluded_.end();
  }

  stdfs::path from_, to_, excluded_;
  std::size_t files_ = 0, left_out_ = 0;
  std::uint64_t bytes_ = 0;
  std::string left_names_;
};

std::string new_folder(io::FileSystem& fs, const std::string& folder, rundir::Permissions permissions) {
  const std::string code = folder + "/code";
  if (const int error = fs.make_directory(code, permissions.directory); error != 0 && error != EEXIST)
    fail_io(error, "cannot create '{}'", code);
  for (unsigned number = 1; number < copies_tried; ++number) {
    const std::string path = fmt::format("{}/{:04}", code, number);
    const int error = fs.make_directory(path, permissions.directory);
    if (error == 0) return path;
    if (error != EEXIST) fail_io(error, "cannot create '{}'", path);
  }
  fail(CKPT_ERR_RUN_DIRECTORY, "'{}' holds too many copies of code; move them away", code);
}

}  // namespace

std::string freeze_code(io::FileSystem& fs, Clock& clock, const std::string& folder,
                        const std::string& working_directory, rundir::Permissions permissions, Provisional& made) try {
  const Repository repository(clock, working_directory);
  const std::string target = made.add(new_folder(fs, folder, permissions));
  const stdfs::path here = stdfs::relative(working_directory, repository.root());
  Copy copy(repository.root(), target, stdfs::relative(folder, repository.root()));
  for (const std::string& name : repository.files({"--cached", "--recurse-submodules"})) copy.take(name);
  for (const std::string& name : repository.files({"--others", "--exclude-standard"})) copy.take_if_small(name);
  for (const std::string& name : repository.files({"--others", "--ignored", "--exclude-standard", "--directory"}))
    copy.leave(name, "ignored by git");
  stdfs::create_directories(stdfs::path(target) / here);
  copy.link((here / runs).lexically_normal());  // a run that is named relative to here
  copy.tell();
  return here == "." ? target : (stdfs::path(target) / here).string();
} catch (const stdfs::filesystem_error& error) {
  fail_io(error.code().value(), "--freeze cannot copy '{}' into '{}/code' (mend that, or leave out --freeze)",
          error.path1().string(), folder);
}

}  // namespace ckpt::plan
