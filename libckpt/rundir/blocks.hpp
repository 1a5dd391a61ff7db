// SPDX-License-Identifier: Apache-2.0
// Who owns a run now. The block number is the term: whoever wants to write claims the next number first, by link(2).
// No lock anywhere. Two owners at once do happen; they are harmless, because only the newest block prunes,
// quarantines and decides, and nothing is ever renamed onto an existing name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/process_identity.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::rundir {

// blocks/0007.json, written once by the claimer.
struct Claim {
  std::uint64_t block = 0;            // filled by claim()
  std::string role;                   // "ckptrun" or "program"
  ProcessIdentity who;
  std::string job_id;                 // of the scheduler, or empty
  std::string cluster;                // whose scheduler: a job id means nothing elsewhere
  std::string array_id, array_task;   // of the job array this job is a task of, or empty
  std::uint64_t restart_count = 0;
  std::vector<std::string> command;
  double claimed = 0;                 // wall seconds
  double block_seconds = 0;           // planned length, 0 = no limit
};

// blocks/0007.program-PID.json (linked = true) and 0007.child-PID.json (linked = false: a wrapped program's process).
struct Attachment {
  bool linked = false;
  ProcessIdentity who;
};

enum class Outcome {
  finished,     // the work is complete
  stopped,      // to be continued, a durable snapshot (or the program's word, exit code 85) to continue from
  crashed,      // neither
  abandoned,    // ended from outside: unlock, or its owner found gone
};
const char* name(Outcome outcome) noexcept;
std::optional<Outcome> parse_outcome(std::string_view text) noexcept;

// blocks/0007.end.json, by link, first writer wins: program, ckptrun, or `ckpt unlock`.
struct BlockEnd {
  Outcome outcome = Outcome::crashed;
  std::string reason;                 // one line for people
  std::string writer;                 // "program", "ckptrun", "unlock"
  std::int64_t writer_pid = 0;
  std::optional<std::uint64_t> step;  // of the newest durable snapshot when it ended
  std::optional<int> exit_code;       // of the program, when known
  std::optional<int> signal;
  double ended = 0;                   // wall seconds
};

struct BlockSummary {
  Claim claim;                        // claim.who.pid == 0: the record is unreadable
  std::vector<Attachment> attachments;
  std::optional<BlockEnd> end;
};

struct Ownership {
  std::uint64_t newest_block = 0;     // 0: never claimed
  OwnerState state = OwnerState::gone;   // gone = free
  std::string owner;                  // "block 7: pid 4711 on node12, since 2026-…", for messages
};

class Blocks {
 public:
  // Injected so that a scheduler's word can stand in for the process table. Gets the claim as well, for its job id.
  using OwnerStateFunction = std::function<OwnerState(const Claim&, const ProcessIdentity&)>;

  Blocks(io::FileSystem& fs, Layout layout, Permissions permissions, OwnerStateFunction owner_state = {});

  std::uint64_t newest() const;       // highest block number, 0 when there is none
  bool is_newest(std::uint64_t block) const { return newest() == block; }

  // Free when the newest block's claimer and all its attachments are gone. One counts as gone when it is this very
  // process, when it wrote the end itself, or when the end was written by "unlock" (which then covers all). A record
  // that cannot be read is an unknown owner.
  Ownership ownership() const;

  // Claims the next number, durable. Does not ask whether the run is free: that is ownership()'s (and the caller's).
  // `seen`: the newest_block that ownership() told of; a claim after it means that somebody else was faster.
  // Returns nullopt when another claimer was faster: ask ownership() again.
  std::optional<std::uint64_t> claim(Claim claim, std::optional<std::uint64_t> seen = std::nullopt);

  // Once per process and block; again is no error. CKPT_ERR_IN_USE: another process that is not known to be gone has
  // this name already (the same pid in another container).
  void attach(std::uint64_t block, const Attachment& attachment);
  // First writer wins: false when the end was already recorded.
  bool write_end(std::uint64_t block, const BlockEnd& end);

  // A person's word that the owners are gone: frees the run. Where others have recorded the end already, a block of its
  // own, claimed and ended at once, does it. `by` says who and when.
  void unlock(Claim by, const std::string& reason);

  std::optional<Claim> read_claim(std::uint64_t block) const;     // nullopt: absent or unreadable
  std::optional<BlockEnd> read_end(std::uint64_t block) const;
  std::vector<Attachment> read_attachments(std::uint64_t block) const;   // of an unreadable one: linked and who.pid
  std::vector<BlockSummary> history() const;                      // oldest first
  bool links_libckpt() const;                                     // a linked attachment, or snapshots from a fork

 private:
  Attachment read_attachment(const BlockFile& file) const;
  BlockSummary summary(std::uint64_t block, const std::vector<BlockFile>& files) const;

  io::FileSystem& fs_;
  Layout layout_;
  Permissions permissions_;
  OwnerStateFunction owner_state_;
};

}  // namespace ckpt::rundir
