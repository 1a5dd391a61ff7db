// SPDX-License-Identifier: Apache-2.0
#include "tools/intervention.hpp"

#include <algorithm>
#include <filesystem>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "io/publish.hpp"

namespace ckpt::tools {
namespace {

namespace filesystem = std::filesystem;

constexpr const char* role = "ckpt";

void remove_part(const std::string& path) {
  std::error_code failed;
  filesystem::remove_all(path, failed);
  if (failed) fail_io(failed.value(), "cannot remove '{}'; some of the run is gone already: type ckpt rm again", path);
}

bool is_of_a_run(const std::string& folder, const std::string& name) {
  const bool holds_snapshots_alone = io::base_name(folder) == "snapshots";
  return !holds_snapshots_alone || name.starts_with("step-") || name.starts_with('.');
}

// Of what a run makes there: files, no folders. What else somebody has put there stays.
void empty_part(const std::string& folder) {
  std::error_code failed;
  std::vector<std::string> content;
  for (filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed))
    if (entry->symlink_status().type() != filesystem::file_type::directory && is_of_a_run(folder, entry->path().filename()))
      content.push_back(entry->path());
  if (failed && failed != std::errc::no_such_file_or_directory) fail_io(failed.value(), "cannot list '{}'", folder);
  for (const std::string& part : content) remove_part(part);
}

// Behind a link stands what may belong to something else.
void refuse_links(const std::vector<std::string>& folders) {
  std::error_code unknown;
  for (const std::string& folder : folders)
    if (filesystem::is_symlink(folder, unknown))
      fail(CKPT_ERR_ARGUMENT, "'{}' is a symbolic link, and what is behind it is not removed: remove it yourself first, link and all",
           folder);
}

// False: other things are in it.
bool remove_directory(const std::string& path) {
  std::error_code failed;
  filesystem::remove(path, failed);
  if (failed && failed != std::errc::directory_not_empty && failed != std::errc::no_such_file_or_directory) fail_io(failed.value(), "cannot remove '{}'", path);
  return !failed;
}

}  // namespace

rundir::Claim claim_of_this_person() {
  rundir::Claim claim;
  claim.role = role;
  claim.who = identify_self();
  claim.claimed = system_clock().wall_seconds();
  return claim;
}

void require_unowned(const RunView& view, const char* verb) {
  if (view.ownership.state == OwnerState::gone) return;
  const bool alive = view.ownership.state == OwnerState::alive;
  fail(CKPT_ERR_IN_USE, "{} is in use ({}): it can be {} when that has ended; {} {}", view.name, view.ownership.owner, verb,
       alive ? "to end it type: ckpt stop" : "if that is gone for certain type: ckpt unlock", shell_word(view.name));
}

bool is_unfinished(io::FileSystem& fs, const rundir::Layout& layout) {
  const rundir::Catalog catalog(fs, layout, {});
  if (!catalog.ever_had_snapshots() || !catalog.list().empty()) return false;
  return std::ranges::all_of(rundir::Blocks(fs, layout, {}).history(), [](const rundir::BlockSummary& block) {
    return block.claim.role == role && (!block.end || block.end->writer != role);   // others may have noted that it was killed
  });
}

Intervention::Intervention(io::FileSystem& fs, const RunView& view, const char* verb)
    : layout_(view.layout), blocks_(fs, view.layout, view.permissions), catalog_(fs, view.layout, view.permissions),
      claim_(claim_of_this_person()) {
  require_unowned(view, verb);
  if (view.claim) {   // what waits of a job array still belongs to this run
    claim_.cluster = view.claim->cluster;
    claim_.array_id = view.claim->array_id;
    claim_.array_task = view.claim->array_task;
  }
  const auto block = blocks_.claim(claim_, view.ownership.newest_block);
  if (!block) fail(CKPT_ERR_IN_USE, "{} was started just now by somebody else; look at it with: ckpt status {}", view.name,
                   shell_word(view.name));
  claim_.block = *block;
}

void Intervention::continue_from(const std::string& file, std::uint64_t step, const std::string& reason) {
  catalog_.adopt(file, {claim_.block, step});
  rundir::BlockEnd end;
  end.outcome = rundir::Outcome::stopped;
  end.reason = reason;
  end.writer = role;
  end.writer_pid = claim_.who.pid;
  end.step = step;
  end.ended = system_clock().wall_seconds();
  blocks_.write_end(claim_.block, end);
}

// The claims late: until then nobody else starts it. has-snapshots later still: half removed is lost, not fresh.
// snapshots/ and blocks/ themselves last: a directory with both is a run, which is found when it is to be removed again.
bool Intervention::remove_run() const {
  const std::vector<std::string> folders = {layout_.kept() + "/checkpoints", layout_.kept(), layout_.logs(), layout_.control(), layout_.directory() + "/submissions",
                                            layout_.directory() + "/jobs", layout_.blocks(), layout_.snapshots()};
  refuse_links(folders);
  empty_part(layout_.snapshots());
  for (const std::string& file : {layout_.directory() + "/checkpoints.json", layout_.metrics(), layout_.status_json(), layout_.run_json()})
    remove_part(file);
  for (const std::string& folder : folders) {
    empty_part(folder);
    if (folder != layout_.blocks() && folder != layout_.snapshots()) remove_directory(folder);
  }
  remove_part(layout_.has_snapshots());
  remove_directory(layout_.snapshots());
  remove_directory(layout_.blocks());
  return remove_directory(layout_.directory());
}

}  // namespace ckpt::tools
