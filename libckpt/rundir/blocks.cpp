// SPDX-License-Identifier: Apache-2.0
#include "rundir/blocks.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "rundir/listing.hpp"
#include "rundir/records.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::uint64_t record_limit_bytes = 4u << 20;   // a command line may be long
constexpr std::string_view unlock_writer = "unlock";

struct OutcomeName {
  Outcome outcome;
  const char* name;
};
constexpr OutcomeName outcome_names[] = {{Outcome::finished, "finished"},
                                         {Outcome::stopped, "stopped"},
                                         {Outcome::crashed, "crashed"},
                                         {Outcome::abandoned, "abandoned"}};

bool is_attachment(const BlockFile& file) {
  return file.kind == BlockFileKind::program || file.kind == BlockFileKind::child;
}

// Only claims count: a late writer may leave other files with the number of a block of a run that was moved away.
std::uint64_t newest_claim(const std::vector<BlockFile>& files) {
  std::uint64_t newest = 0;
  for (const BlockFile& file : files) {
    if (file.kind == BlockFileKind::record) newest = std::max(newest, file.block);
  }
  return newest;
}

// A purge may have taken claims and left other files: a number with traces must not be used twice.
std::uint64_t newest_trace(const std::vector<BlockFile>& files) {
  std::uint64_t newest = 0;
  for (const BlockFile& file : files) newest = std::max(newest, file.block);
  return newest;
}

std::uint64_t newest_published(io::FileSystem& fs, const Layout& layout) {
  std::uint64_t newest = 0;
  for (const std::string& name : list_names(fs, layout.snapshots())) {
    if (auto id = parse_snapshot_file_name(name)) newest = std::max(newest, id->block);
  }
  return newest;
}

bool is_same_process(const ProcessIdentity& one, const ProcessIdentity& other) {
  return one.pid == other.pid && one.start_ticks != 0 && one.start_ticks == other.start_ticks && !one.boot_id.empty() &&
         one.boot_id == other.boot_id && one.pid_namespace == other.pid_namespace;
}

std::optional<std::string> read_record(io::FileSystem& fs, const std::string& path) {
  try {
    return read_if_there(fs, path, record_limit_bytes);
  } catch (const Error&) {   // absent or unreadable: the caller treats both as unknown
    return std::nullopt;
  }
}

bool wrote_end(const std::optional<BlockEnd>& end, std::string_view role, const ProcessIdentity& who) {
  return end && end->writer == role && end->writer_pid == who.pid;
}

std::string describe_claim(const Claim& claim) {
  const std::string job = claim.job_id.empty() ? "" : fmt::format("job {}, ", claim.job_id);
  return fmt::format("block {}: {}{}, since {}", claim.block, job, describe(claim.who), format_time(claim.claimed));
}

std::string describe_unreadable(const BlockFile& file, const Layout& layout) {
  return fmt::format("block {}: '{}/{}' cannot be read; if nobody uses this run any more: ckpt unlock '{}'",
                     file.block, layout.blocks(), block_file_name(file), layout.directory());
}

bool is_readable(const ProcessIdentity& who) { return !who.boot_id.empty() || !who.host.empty(); }

std::string describe_attachment(std::uint64_t block, const Attachment& attachment, const Layout& layout) {
  if (is_readable(attachment.who)) return fmt::format("block {}: program {}", block, describe(attachment.who));
  const BlockFileKind kind = attachment.linked ? BlockFileKind::program : BlockFileKind::child;
  return describe_unreadable({block, kind, attachment.who.pid}, layout);
}

// Alive outranks unknown outranks gone.
int rank(OwnerState state) { return state == OwnerState::alive ? 2 : state == OwnerState::unknown ? 1 : 0; }

void take_in(Ownership& ownership, OwnerState state, const std::string& owner) {
  if (rank(state) <= rank(ownership.state)) return;
  ownership.state = state;
  ownership.owner = owner;
}

}  // namespace

const char* name(Outcome outcome) noexcept {
  for (const OutcomeName& entry : outcome_names) {
    if (entry.outcome == outcome) return entry.name;
  }
  return "unknown";
}

std::optional<Outcome> parse_outcome(std::string_view text) noexcept {
  for (const OutcomeName& entry : outcome_names) {
    if (entry.name == text) return entry.outcome;
  }
  return std::nullopt;
}

Blocks::Blocks(io::FileSystem& fs, Layout layout, Permissions permissions, OwnerStateFunction owner_state)
    : fs_(fs), layout_(std::move(layout)), permissions_(permissions), owner_state_(std::move(owner_state)) {
  if (!owner_state_) owner_state_ = [](const Claim&, const ProcessIdentity& who) { return local_owner_state(who); };
}

std::vector<BlockFile> Blocks::list_files() const {
  std::vector<BlockFile> files;
  for (const std::string& file_name : list_names(fs_, layout_.blocks())) {
    if (auto file = parse_block_file_name(file_name)) files.push_back(*file);
  }
  return files;
}

std::uint64_t Blocks::newest() const { return newest_claim(list_files()); }

Ownership Blocks::ownership() const {
  const std::vector<BlockFile> files = list_files();
  const std::uint64_t block = newest_claim(files);
  if (block == 0) return {};
  const BlockSummary newest = summary(block, files);
  const bool readable = is_readable(newest.claim.who);
  Ownership ownership;
  ownership.newest_block = block;
  ownership.owner = readable ? describe_claim(newest.claim) : describe_unreadable({.block = block}, layout_);
  if (newest.end && newest.end->writer == unlock_writer) return ownership;

  const ProcessIdentity self = identify_self();
  const auto state_of = [&](const ProcessIdentity& who, std::string_view role) {
    if (!is_readable(who)) return OwnerState::unknown;
    if (is_same_process(who, self) || wrote_end(newest.end, role, who)) return OwnerState::gone;
    return owner_state_(newest.claim, who);
  };
  take_in(ownership, state_of(newest.claim.who, newest.claim.role), ownership.owner);
  for (const Attachment& attachment : newest.attachments)
    take_in(ownership, state_of(attachment.who, "program"), describe_attachment(block, attachment, layout_));
  return ownership;
}

std::optional<std::uint64_t> Blocks::claim(Claim claim, std::optional<std::uint64_t> seen) {
  // Snapshots first: whoever published one had claimed before, so that the list of claims, read later, shows it.
  const std::uint64_t published = newest_published(fs_, layout_);
  const std::vector<BlockFile> files = list_files();
  if (seen && *seen != newest_claim(files)) return std::nullopt;
  const std::uint64_t newest = std::max(published, newest_trace(files));
  if (newest == std::numeric_limits<std::uint64_t>::max())
    fail(CKPT_ERR_RUN_DIRECTORY, "'{}' holds the highest block number there is; move that file away",
         layout_.directory());
  claim.block = newest + 1;
  if (!io::create_once(fs_, layout_.block_record(claim.block), to_text(claim), permissions_.file)) return std::nullopt;
  return claim.block;
}

void Blocks::attach(std::uint64_t block, const Attachment& attachment) {
  const BlockFileKind kind = attachment.linked ? BlockFileKind::program : BlockFileKind::child;
  const BlockFile file{block, kind, attachment.who.pid};
  const std::string path = layout_.blocks() + '/' + block_file_name(file);
  if (io::create_once(fs_, path, to_text(attachment), permissions_.file)) return;
  const Attachment earlier = read_attachment(file);
  if (is_same_process(earlier.who, attachment.who)) return;
  if (local_owner_state(earlier.who) != OwnerState::gone)
    fail(CKPT_ERR_IN_USE, "'{}' belongs to another process with this number, which may still live; end that one first",
         path);
  io::replace_file(fs_, path, to_text(attachment), permissions_.file);
}

bool Blocks::write_end(std::uint64_t block, const BlockEnd& end) {
  return io::create_once(fs_, layout_.block_end(block), to_text(end), permissions_.file);
}

void Blocks::unlock(Claim by, const std::string& reason) {
  const Ownership current = ownership();
  if (current.state == OwnerState::gone) return;
  BlockEnd end;
  end.outcome = Outcome::abandoned;
  end.reason = reason;
  end.writer = unlock_writer;
  end.writer_pid = by.who.pid;
  end.ended = by.claimed;
  if (write_end(current.newest_block, end)) return;
  by.role = unlock_writer;
  if (const auto own = claim(by, current.newest_block)) write_end(*own, end);
}

std::optional<Claim> Blocks::read_claim(std::uint64_t block) const {
  const auto text = read_record(fs_, layout_.block_record(block));
  auto claim = text ? parse_claim(*text) : std::nullopt;
  if (claim) claim->block = block;
  return claim;
}

std::optional<BlockEnd> Blocks::read_end(std::uint64_t block) const {
  const auto text = read_record(fs_, layout_.block_end(block));
  return text ? parse_block_end(*text) : std::nullopt;
}

Attachment Blocks::read_attachment(const BlockFile& file) const {
  const auto text = read_record(fs_, layout_.blocks() + '/' + block_file_name(file));
  if (auto attachment = text ? parse_attachment(*text) : std::nullopt) return *attachment;
  Attachment unreadable;
  unreadable.linked = file.kind == BlockFileKind::program;
  unreadable.who.pid = file.pid;
  return unreadable;
}

std::vector<Attachment> Blocks::read_attachments(std::uint64_t block) const {
  return summary(block, list_files()).attachments;
}

BlockSummary Blocks::summary(std::uint64_t block, const std::vector<BlockFile>& files) const {
  BlockSummary summary;
  summary.claim = read_claim(block).value_or(Claim());
  summary.claim.block = block;
  for (const BlockFile& file : files) {
    if (file.block == block && is_attachment(file)) summary.attachments.push_back(read_attachment(file));
  }
  summary.end = read_end(block);
  return summary;
}

std::vector<BlockSummary> Blocks::history() const {
  const std::vector<BlockFile> files = list_files();
  std::set<std::uint64_t> blocks;
  for (const BlockFile& file : files) {
    if (file.kind == BlockFileKind::record) blocks.insert(file.block);
  }
  std::vector<BlockSummary> history;
  for (const std::uint64_t block : blocks) history.push_back(summary(block, files));
  return history;
}

bool Blocks::links_libckpt() const {
  const std::vector<BlockFile> files = list_files();
  return std::any_of(files.begin(), files.end(), [](const auto& file) { return file.kind == BlockFileKind::program; });
}

}  // namespace ckpt::rundir
