// SPDX-License-Identifier: Apache-2.0
#include "rundir/blocks.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.hpp"
#include "io/publish.hpp"
#include "rundir/block_files.hpp"
#include "rundir/listing.hpp"
#include "rundir/records.hpp"

namespace ckpt::rundir {
namespace {

bool is_attachment(const BlockFile& file) {
  return file.kind == BlockFileKind::program || file.kind == BlockFileKind::child;
}

std::uint64_t newest_published(io::FileSystem& fs, const Layout& layout) {
  std::uint64_t newest = 0;
  for (const std::string& name : list_names(fs, layout.snapshots())) {
    if (auto id = parse_snapshot_file_name(name)) newest = std::max(newest, id->block);
  }
  return newest;
}

std::optional<std::string> read_record(io::FileSystem& fs, const std::string& path) {
  try {
    return read_if_there(fs, path, record_limit_bytes);
  } catch (const Error&) {   // absent or unreadable: the caller treats both as unknown
    return std::nullopt;
  }
}

}  // namespace

Blocks::Blocks(io::FileSystem& fs, Layout layout, Permissions permissions, OwnerStateFunction owner_state)
    : fs_(fs), layout_(std::move(layout)), permissions_(permissions), owner_state_(std::move(owner_state)) {
  if (!owner_state_) owner_state_ = [](const Claim&, const ProcessIdentity& who) { return local_owner_state(who); };
}

std::uint64_t Blocks::newest() const { return newest_claim(list_block_files(fs_, layout_)); }

std::optional<std::uint64_t> Blocks::claim(Claim claim, std::optional<std::uint64_t> seen) {
  // Snapshots first: whoever published one had claimed before, so that the list of claims, read later, shows it.
  const std::uint64_t published = newest_published(fs_, layout_);
  const std::vector<BlockFile> files = list_block_files(fs_, layout_);
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
  return summary(block, list_block_files(fs_, layout_)).attachments;
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
  const std::vector<BlockFile> files = list_block_files(fs_, layout_);
  std::set<std::uint64_t> blocks;
  for (const BlockFile& file : files) {
    if (file.kind == BlockFileKind::record) blocks.insert(file.block);
  }
  std::vector<BlockSummary> history;
  for (const std::uint64_t block : blocks) history.push_back(summary(block, files));
  return history;
}

bool Blocks::links_libckpt() const {
  if (info_if_there(fs_, layout_.has_snapshots())) return true;
  const std::vector<BlockFile> files = list_block_files(fs_, layout_);
  return std::any_of(files.begin(), files.end(), [](const auto& file) { return file.kind == BlockFileKind::program; });
}

}  // namespace ckpt::rundir
