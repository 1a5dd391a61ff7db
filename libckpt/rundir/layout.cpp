// SPDX-License-Identifier: Apache-2.0
#include "rundir/layout.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.hpp"
#include "base/working_directory.hpp"

namespace ckpt::rundir {
namespace {

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// False without a digit in front, and on overflow.
bool take_number(std::string_view& text, std::uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

struct BlockFileForm {
  BlockFileKind kind;
  std::string_view head;
  std::string_view tail;   // after the pid; empty: the name has no pid
};

constexpr BlockFileForm block_file_forms[] = {
    {BlockFileKind::record, ".json", ""},
    {BlockFileKind::end, ".end.json", ""},
    {BlockFileKind::program, ".program-", ".json"},
    {BlockFileKind::child, ".child-", ".json"},
    {BlockFileKind::ckptrun_ledger, ".ckptrun.jsonl", ""},
    {BlockFileKind::program_ledger, ".program-", ".jsonl"},
};

bool matches(std::string_view rest, const BlockFileForm& form, std::int64_t& pid) {
  if (!take(rest, form.head)) return false;
  std::uint64_t number = 0;
  if (!form.tail.empty()) {
    if (!take_number(rest, number) || number == 0 || number > std::numeric_limits<std::int64_t>::max()) return false;
  }
  pid = static_cast<std::int64_t>(number);
  return rest == form.tail;
}

// Absolute, without empty and "." parts. ".." stays: what it means depends on symbolic links.
std::string absolute(const std::string& path) {
  const std::string whole = absolute_path(path);
  std::string result;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t end = std::min(whole.find('/', at), whole.size());
    const std::string part = whole.substr(at, end - at);
    if (!part.empty() && part != ".") result += '/' + part;
    at = end + 1;
  }
  return result;
}

}  // namespace

std::string snapshot_file_name(SnapshotId id) { return fmt::format("step-{:012}-b{:04}.h5", id.step, id.block); }

std::optional<SnapshotId> parse_snapshot_file_name(std::string_view name) {
  SnapshotId id;
  std::string_view rest = name;
  if (!take(rest, "step-") || !take_number(rest, id.step) || !take(rest, "-b") || !take_number(rest, id.block))
    return std::nullopt;
  // Rebuilt and compared: neither a longer name (".damaged-b0007") nor a second spelling of a number is a snapshot.
  if (snapshot_file_name(id) != name) return std::nullopt;
  return id;
}

std::string block_file_name(const BlockFile& file) {
  for (const BlockFileForm& form : block_file_forms) {
    if (form.kind != file.kind) continue;
    if (form.tail.empty()) return fmt::format("{:04}{}", file.block, form.head);
    return fmt::format("{:04}{}{}{}", file.block, form.head, file.pid, form.tail);
  }
  fail(CKPT_ERR_INTERNAL, "a file in blocks/ of kind {} has no name", static_cast<int>(file.kind));
}

std::optional<BlockFile> parse_block_file_name(std::string_view name) {
  BlockFile file;
  std::string_view rest = name;
  if (!take_number(rest, file.block) || file.block == 0) return std::nullopt;
  for (const BlockFileForm& form : block_file_forms) {
    file.kind = form.kind;
    if (matches(rest, form, file.pid) && block_file_name(file) == name) return file;
  }
  return std::nullopt;
}

Layout::Layout(std::string run_directory) : directory_(absolute(run_directory)) {
  if (run_directory.empty())
    fail(CKPT_ERR_RUN_DIRECTORY, "the name of the run directory is empty; name one with --run");
  if (directory_.empty()) fail(CKPT_ERR_RUN_DIRECTORY, "'/' cannot be a run directory; name another with --run");
}

std::string Layout::name() const { return directory_.substr(directory_.rfind('/') + 1); }
std::string Layout::run_json() const { return directory_ + "/run.json"; }
std::string Layout::has_snapshots() const { return directory_ + "/has-snapshots"; }
std::string Layout::status_json() const { return directory_ + "/status.json"; }
std::string Layout::blocks() const { return directory_ + "/blocks"; }
std::string Layout::snapshots() const { return directory_ + "/snapshots"; }
std::string Layout::kept() const { return directory_ + "/kept"; }
std::string Layout::control() const { return directory_ + "/control"; }
std::string Layout::metrics() const { return directory_ + "/metrics.jsonl"; }
std::string Layout::logs() const { return directory_ + "/logs"; }

std::string Layout::snapshot(SnapshotId id) const { return snapshots() + '/' + snapshot_file_name(id); }
std::string Layout::kept_snapshot(std::string_view name) const { return fmt::format("{}/{}.h5", kept(), name); }

std::string Layout::block_log(std::uint64_t block) const { return fmt::format("{}/block-{:04}.log", logs(), block); }
std::string Layout::block_record(std::uint64_t block) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::record});
}
std::string Layout::block_end(std::uint64_t block) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::end});
}
std::string Layout::program_record(std::uint64_t block, std::int64_t pid) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::program, pid});
}
std::string Layout::child_record(std::uint64_t block, std::int64_t pid) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::child, pid});
}
std::string Layout::ckptrun_ledger(std::uint64_t block) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::ckptrun_ledger});
}
std::string Layout::program_ledger(std::uint64_t block, std::int64_t pid) const {
  return blocks() + '/' + block_file_name({block, BlockFileKind::program_ledger, pid});
}

}  // namespace ckpt::rundir
