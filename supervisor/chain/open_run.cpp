// SPDX-License-Identifier: Apache-2.0
#include "chain/open_run.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "io/publish.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

constexpr int names_tried = 1000;

std::string rename_to_free_name(io::FileSystem& fs, const std::string& directory, const std::string& date) {
  for (int attempt = 1; attempt <= names_tried; ++attempt) {
    const std::string target = directory + ".old-" + date + (attempt == 1 ? "" : fmt::format("-{}", attempt));
    io::FileInfo ignored;
    if (fs.info(target, ignored) == 0) continue;
    const int error = fs.rename_new(directory, target);
    if (error == 0) return target;
    if (error != EEXIST && error != ENOTEMPTY) fail_io(error, "cannot move {} aside to {}", directory, target);
  }
  fail(CKPT_ERR_RUN_DIRECTORY, "cannot move {} aside: too many old runs of that day", directory);
}

}  // namespace

std::string how_to_free(OwnerState owner, const rundir::Layout& layout) {
  const char* verb = owner == OwnerState::alive ? "to end it type: ckpt stop" : "if that is gone for certain type: ckpt unlock";
  return fmt::format("{} {}", verb, shell_word(layout.directory()));
}

void refuse_to_wait(const rundir::Layout& layout, OwnerState owner, const std::string& owner_text) {
  fail(CKPT_ERR_IN_USE, "{} is in use ({}); leave out --no-wait to wait for its end, or {}", layout.directory(),
       owner_text, how_to_free(owner, layout));
}

bool may_move_old_run(io::FileSystem& fs, const rundir::Layout& layout, const rundir::DirectoryRules& rules) {
  io::FileInfo info;
  if (fs.info(layout.directory(), info) != 0) return false;
  rundir::require_run_directory(fs, layout);
  if (info.owner != ::geteuid() && !rules.allow_other_owner)
    fail(CKPT_ERR_RUN_DIRECTORY, "--fresh: {} belongs to another user; name a run of your own with --run",
         layout.directory());
  rundir::Blocks blocks(fs, layout, rundir::permissions_of(fs, layout));
  const rundir::Ownership ownership = blocks.ownership();
  if (ownership.state != OwnerState::gone)
    fail(CKPT_ERR_IN_USE, "--fresh: {} is in use ({}); {}", layout.directory(), ownership.owner,
         how_to_free(ownership.state, layout));
  return true;
}

std::string move_old_run_aside(io::FileSystem& fs, Clock& clock, const rundir::Layout& layout,
                               const rundir::DirectoryRules& rules) {
  if (!may_move_old_run(fs, layout, rules)) return {};
  const std::string date = format_time(clock.wall_seconds()).substr(0, 10);
  const std::string target = rename_to_free_name(fs, layout.directory(), date);
  io::sync_directory(fs, io::parent_directory(target));
  return target;
}

std::optional<std::string> check_command(io::FileSystem& fs, const rundir::Layout& layout,
                                         const std::vector<std::string>& command, bool accept_changes) {
  const auto record = rundir::read_run_record(fs, layout);
  if (!record) return "";
  std::error_code unknown;
  const std::string here = std::filesystem::current_path(unknown);
  if (!record->working_directory.empty() && record->working_directory != here)
    log_warning("this run was started in {}, now in {}: relative paths mean something else", record->working_directory,
                here);
  if (record->command.empty()) return "";
  const auto difference = command_difference(record->command, command);
  if (difference && !accept_changes)
    fail(CKPT_ERR_CONFIG, "{} was started with another command: {}; add --accept-changes to go on with this one, "
         "--run NAME for a run of its own, or --fresh to start over", layout.directory(), *difference);
  return difference;
}

void write_run(io::FileSystem& fs, Clock& clock, const rundir::Layout& layout, rundir::Permissions permissions,
               const std::string& name, const std::vector<std::string>& command) {
  rundir::RunRecord record = rundir::read_run_record(fs, layout).value_or(rundir::RunRecord{});
  if (record.name.empty()) record.name = name;
  if (record.created.empty()) record.created = format_time(clock.wall_seconds());
  if (record.user.empty()) record.user = identify_self().user;
  std::error_code unknown;
  record.working_directory = std::filesystem::current_path(unknown);
  record.command = command;
  rundir::write_run_record(fs, layout, record, permissions);
}

void warn_if_space_is_short(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t newest_size_bytes,
                            std::size_t snapshots_there, std::size_t keep) {
  io::VolumeInfo volume;
  if (snapshots_there > keep || fs.volume(layout.snapshots(), volume) != 0) return;
  const std::uint64_t needed = (keep + 1 - snapshots_there) * newest_size_bytes;
  if (volume.free_bytes < needed)
    log_warning("{} has {} free, and room for {} of {} is needed: make some, or lower --keep",
                layout.directory(), format_size(volume.free_bytes), count_of(keep + 1 - snapshots_there, "more snapshot"),
                format_size(newest_size_bytes));
}

}  // namespace ckpt::supervisor
