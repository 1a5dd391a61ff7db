// SPDX-License-Identifier: Apache-2.0
// Whether a directory may be a run directory, and making it one.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "io/publish.hpp"
#include "rundir/catalog.hpp"
#include "rundir/directory_check.hpp"
#include "rundir/layout.hpp"
#include "rundir/listing.hpp"
#include "rundir/sharing.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::uint32_t setgid_bit = 02000;
constexpr std::size_t longest_below = 16 + NAME_MAX;   // bytes of "/snapshots/" and the longest name in it

enum class Audience { as_the_parent_says, group };
constexpr Permissions for_the_group{.directory = setgid_bit | 0750, .file = 0640};

// A group directory is meant to be shared with its group.
Permissions permissions_within(const io::FileInfo& directory) {
  return directory.mode & setgid_bit ? for_the_group : Permissions{};
}

std::string user_text(std::uint32_t uid) {
  char buffer[1024];
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found) return found->pw_name;
  return fmt::format("uid {}", uid);
}

[[noreturn]] void fail_not_a_directory(const std::string& file, const Layout& layout) {
  fail(CKPT_ERR_RUN_DIRECTORY, "'{}' is a file, so '{}' cannot be a run directory; name another (--run, CKPT_RUN_DIR)", file,
       layout.directory());
}

// nullopt: not there yet.
std::optional<io::FileInfo> look(io::FileSystem& fs, const std::string& path, const Layout& layout) {
  io::FileInfo info;
  const int error = fs.info(path, info);
  if (is_gone(error) || error == ENOTDIR) return std::nullopt;
  if (error != 0) fail_io(error, "cannot look at '{}' (name another run directory with --run)", path);
  if (info.kind != io::FileKind::directory) fail_not_a_directory(path, layout);
  return info;
}

// The parts of the path that are missing, outermost first; `standing` is the deepest directory that is there.
std::vector<std::string> missing_parents(io::FileSystem& fs, const Layout& layout, std::string& standing) {
  std::vector<std::string> missing;
  standing = io::parent_directory(layout.directory());
  while (standing != "/" && !look(fs, standing, layout)) {
    missing.insert(missing.begin(), standing);
    standing = io::parent_directory(standing);
  }
  return missing;
}

void check_volume(io::FileSystem& fs, const std::string& standing, const Layout& layout, const DirectoryRules& rules) {
  io::VolumeInfo volume;
  if (int error = fs.volume(standing, volume)) fail_io(error, "cannot look at the file system of '{}'", standing);
  if (volume.in_memory && !rules.allow_volatile)
    fail(CKPT_ERR_RUN_DIRECTORY,
         "run directory '{}' is in memory (tmpfs), where snapshots die with the machine; name one on a disk with --run (CKPT_RUN_DIR for a program on its own)",
         layout.directory());
  if (volume.read_only)
    fail(CKPT_ERR_PERMISSION, "run directory '{}' is on a file system mounted read-only; name another with --run",
         layout.directory());
  if (volume.of_the_kernel)
    fail(CKPT_ERR_RUN_DIRECTORY, "run directory '{}' is where the kernel shows itself, and keeps no files; name another with --run",
         layout.directory());
}

// Where parts of the path are missing, no call would tell before the first of them is made.
void check_length(const Layout& layout) {
  const std::string& path = layout.directory();
  bool fits = path.size() + longest_below < PATH_MAX;
  for (std::size_t at = 0, end = 0; fits && at < path.size(); at = end + 1) {
    end = std::min(path.find('/', at), path.size());
    fits = end - at <= NAME_MAX;
  }
  if (!fits)
    fail(CKPT_ERR_RUN_DIRECTORY, "run directory '{}' is too long a name (a part of it may have {} bytes, all of it {}); name another with --run",
         path, NAME_MAX, PATH_MAX - longest_below);
}

// As the file system sees it: ~/scratch is a link out of the home directory on many sites.
std::string where(const std::string& path) {
  std::error_code failed;
  const std::string found = std::filesystem::weakly_canonical(path, failed);
  return failed ? path : found;
}

void warn_about_home(const Layout& layout) {
  const std::string home = environment_variable("HOME");
  if (home.size() < 2 || !where(layout.directory()).starts_with(where(home) + '/')) return;
  log_warning("run directory '{}' is in your home directory, often small and slow on clusters; better: --run PATH",
              layout.directory());
}

bool make_directory(io::FileSystem& fs, const std::string& path, std::uint32_t permissions, const Layout& layout) {
  const int error = fs.make_directory(path, permissions);
  if (error == 0) return true;
  if (error == EEXIST && look(fs, path, layout)) return false;   // somebody else was faster, or it was there
  fail_io(error, "cannot create '{}' (name a place where you may write with --run)", path);
}

// A directory that one may write to but not read cannot be opened for syncing; the run is made all the same.
void sync_parent(io::FileSystem& fs, const std::string& path) {
  try {
    io::sync_directory(fs, io::parent_directory(path));
  } catch (const Error& error) {
    if (error.os_errno() != EACCES) throw;
  }
}

// As mkdir -p makes them: the umask decides. But a group must be able to pass through to what is made for it.
constexpr std::uint32_t parent_permissions(Audience audience) { return audience == Audience::group ? 0750 : 0777; }

Permissions permissions_below(io::FileSystem& fs, const std::string& parent, const Layout& layout) {
  const auto directory = look(fs, parent, layout);
  return directory ? permissions_within(*directory) : Permissions{};
}

// A kill leaves all of it, or a hidden directory that nobody takes for a run.
void make_marked_directory(io::FileSystem& fs, const Layout& layout, Permissions permissions) {
  const Layout hidden(io::temporary_name(layout.directory()));
  make_directory(fs, hidden.directory(), permissions.directory, layout);
  try {
    Catalog(fs, hidden, permissions).mark_has_snapshots();
    const int error = fs.rename_new(hidden.directory(), layout.directory());
    if (error != 0) fail_io(error, "cannot create '{}' (name a place where you may write with --run)", layout.directory());
  } catch (const Error&) {
    static_cast<void>(fs.remove(hidden.has_snapshots()));
    ::rmdir(hidden.directory().c_str());
    throw;
  }
}

void create_run_directory(io::FileSystem& fs, const Layout& layout, const std::vector<std::string>& parents,
                          Audience audience, bool marked) {
  for (const std::string& parent : parents) {
    make_directory(fs, parent, parent_permissions(audience), layout);
    sync_parent(fs, parent);
  }
  const Permissions permissions = audience == Audience::group
                                      ? for_the_group
                                      : permissions_below(fs, io::parent_directory(layout.directory()), layout);
  if (marked)
    make_marked_directory(fs, layout, permissions);
  else if (!make_directory(fs, layout.directory(), permissions.directory, layout))
    return;
  warn_about_home(layout);
}

// logs/ is made last: where it is, everything else is there and was synced.
void create_parts(io::FileSystem& fs, const Layout& layout, Permissions permissions) {
  bool complete = look(fs, layout.logs(), layout).has_value();
  for (const std::string& part : {layout.blocks(), layout.snapshots(), layout.kept(), layout.control()}) {
    if (make_directory(fs, part, permissions.directory, layout)) complete = false;
  }
  if (complete) return;
  io::sync_directory(fs, layout.directory());
  sync_parent(fs, layout.directory());
  make_directory(fs, layout.logs(), permissions.directory, layout);
}

[[noreturn]] void fail_other_owner(const io::FileInfo& directory, const Layout& layout) {
  fail(CKPT_ERR_RUN_DIRECTORY, "run directory '{}' belongs to {}; name your own with --run, or say --allow-other-owner",
       layout.directory(), user_text(directory.owner));
}

// Makes a file and removes it: the only sure way to learn that we may write, and who we are to this file system (a
// server may map root to nobody).
std::uint32_t write_probe(io::FileSystem& fs, const Layout& layout, const io::FileInfo& directory) {
  const std::string probe = io::temporary_name(layout.directory() + "/probe");
  std::unique_ptr<io::File> file;
  int error = fs.open(probe, io::OpenMode::create_new, 0600, file);
  if (error == EACCES && directory.owner != ::geteuid()) fail_other_owner(directory, layout);
  if (error != 0) fail_io(error, "cannot write to run directory '{}' (name another with --run)", layout.directory());
  file.reset();
  io::FileInfo info;
  error = fs.info(probe, info);
  static_cast<void>(fs.remove(probe));
  if (error != 0) fail_io(error, "cannot look at '{}', just written", probe);
  return info.owner;
}

void check_writable(io::FileSystem& fs, const Layout& layout, const io::FileInfo& directory,
                    const DirectoryRules& rules) {
  const std::uint32_t ourselves = write_probe(fs, layout, directory);
  if (directory.owner != ourselves && !rules.allow_other_owner) fail_other_owner(directory, layout);
}

io::FileInfo require_directory(io::FileSystem& fs, const Layout& layout) {
  if (const auto info = look(fs, layout.directory(), layout)) return *info;
  fail(CKPT_ERR_NOT_FOUND, "there is no run '{}'; name one that is there", layout.directory());
}

// Somebody's project must not become a run, which --fresh would move away.
void require_run_or_empty(io::FileSystem& fs, const Layout& layout) {
  if (look(fs, layout.blocks(), layout)) return;
  const std::string parts[] = {layout.snapshots(), layout.kept(), layout.control(), layout.logs(), layout.run_json(),
                               layout.status_json(), layout.has_snapshots(), layout.metrics()};
  for (const std::string& name : list_names(fs, layout.directory())) {
    const bool ours = std::find(std::begin(parts), std::end(parts), layout.directory() + '/' + name) != std::end(parts);
    if (!ours)
      fail(CKPT_ERR_RUN_DIRECTORY, "'{}' is no run and not empty (it holds '{}'): a run needs a directory of its own, "
           "such as '{}/run'", layout.directory(), name, layout.directory());
  }
}

struct Place {
  std::optional<io::FileInfo> run;       // what is there of it
  std::string standing;                  // the deepest directory that is there
  std::vector<std::string> missing;      // parents, outermost first
};

// Refuses what cannot be a run directory; makes nothing.
Place find_place(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules) {
  check_length(layout);
  Place place{look(fs, layout.directory(), layout), layout.directory(), {}};
  if (!place.run) place.missing = missing_parents(fs, layout, place.standing);
  check_volume(fs, place.standing, layout, rules);
  if (place.run) require_run_or_empty(fs, layout);
  return place;
}

Permissions prepare(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules, Audience audience) {
  const Place place = find_place(fs, layout, rules);
  if (!place.run) create_run_directory(fs, layout, place.missing, audience, rules.begins_from_snapshot);
  const io::FileInfo directory = require_directory(fs, layout);
  check_writable(fs, layout, directory, rules);
  const Permissions permissions = permissions_within(directory);
  create_parts(fs, layout, permissions);
  return permissions;
}

}  // namespace

Permissions prepare_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules) {
  return prepare(fs, layout, rules, Audience::as_the_parent_says);
}

Permissions prepare_shared_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules) {
  const Permissions permissions = prepare(fs, layout, rules, Audience::group);
  if (permissions.directory != for_the_group.directory)
    log_warning("--share: '{0}' was made for you alone, and stays so; to share it type: chmod -R g+rX '{0}' && "
                "chmod g+s '{0}' '{0}'/*/", layout.directory());
  return permissions;
}

std::string check_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules) {
  const Place place = find_place(fs, layout, rules);
  if (place.run && place.run->owner != ::geteuid() && !rules.allow_other_owner) fail_other_owner(*place.run, layout);
  return place.standing;
}

void require_run_directory(io::FileSystem& fs, const Layout& layout) {
  require_directory(fs, layout);
  if (!look(fs, layout.snapshots(), layout))
    fail(CKPT_ERR_NOT_FOUND, "'{}' is no run directory: it has no snapshots/; name one that is", layout.directory());
}

Permissions permissions_of(io::FileSystem& fs, const Layout& layout) {
  return permissions_within(require_directory(fs, layout));
}

}  // namespace ckpt::rundir
