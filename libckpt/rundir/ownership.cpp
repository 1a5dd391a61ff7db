// SPDX-License-Identifier: Apache-2.0
// Who owns the run now: the newest block's claimer and its programs, unless they are known to be gone.
#include <fmt/format.h>

#include "base/quantity.hpp"
#include "base/text.hpp"
#include "rundir/block_files.hpp"
#include "rundir/blocks.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::string_view unlock_writer = "unlock";

bool wrote_end(const std::optional<BlockEnd>& end, std::string_view role, const ProcessIdentity& who) {
  return end && end->writer == role && end->writer_pid == who.pid;
}

std::string describe_claim(const Claim& claim) {
  const std::string job = claim.job_id.empty() ? "" : fmt::format("job {}, ", claim.job_id);
  return fmt::format("block {}: {}{}, since {}", claim.block, job, describe(claim.who), format_time(claim.claimed));
}

std::string describe_unreadable(const BlockFile& file, const Layout& layout) {
  return fmt::format("block {}: '{}/{}' cannot be read; if nobody uses this run any more: ckpt unlock {}",
                     file.block, layout.blocks(), block_file_name(file), shell_word(layout.directory()));
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

Ownership Blocks::ownership() const {
  const std::vector<BlockFile> files = list_block_files(fs_, layout_);
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

}  // namespace ckpt::rundir
