// SPDX-License-Identifier: Apache-2.0
#include "chain/preview.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"
#include "chain/earlier_times.hpp"
#include "chain/identity.hpp"
#include "chain/open_run.hpp"
#include "chain/outlook.hpp"
#include "chain/own_checkpoints.hpp"
#include "chain/surroundings.hpp"
#include "io/publish.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "rundir/directory_check.hpp"
#include "rundir/run_record.hpp"
#include "snapshot/reader.hpp"
#include "staging/area.hpp"

namespace ckpt::supervisor {
namespace {

void look_at_end(Clock& clock, const ChainOptions& options, Preview& preview) {
  preview.seconds_left = options.block_seconds;
  if (std::isfinite(options.block_seconds)) preview.end_source = "--block-time";
  if (!options.scheduler) return;
  const double of_job = options.scheduler->end().first_end() - clock.monotonic_seconds();
  if (!(of_job < preview.seconds_left)) return;
  preview.seconds_left = of_job;
  preview.end_source = "job " + read_job_environment().id;
}

std::uint64_t free_bytes(io::FileSystem& fs, std::string path) {
  io::VolumeInfo volume;
  while (fs.volume(path, volume) != 0) {
    if (path.size() <= 1) return 0;
    path = io::parent_directory(path);
  }
  return volume.free_bytes;
}

// One that was given counts, whatever the machine has.
void look_at_memory(const ChainOptions& options, Preview& preview) {
  preview.memory_needed = preview.state_bytes;
  preview.staging_size = options.staging_size.empty() ? read_run_environment().staging_size : options.staging_size;
  preview.memory_allowed =
      preview.staging_size.empty() ? staging::memory_still_allowed() : parse_size(preview.staging_size);
  if (preview.memory_allowed == 0) preview.memory_needed = 0;
}

// What is there is not needed again.
void look_at_disk(io::FileSystem& fs, const ChainOptions& options, Preview& preview) {
  preview.disk_free = free_bytes(fs, options.run.directory);
  const std::uint64_t more = options.keep + 1 - std::min<std::uint64_t>(preview.snapshots, options.keep);
  preview.disk_needed = more * preview.snapshot_bytes;
}

ChainFacts facts_of(io::FileSystem& fs, const rundir::Layout& layout, const rundir::Blocks& blocks,
                    const ChainOptions& options, const Preview& preview) {
  const rundir::Ownership ownership = blocks.ownership();
  const auto end = blocks.read_end(ownership.newest_block);
  ChainFacts facts;
  facts.owner = ownership.state;
  facts.owner_text = ownership.owner;
  facts.complete = end && end->outcome == rundir::Outcome::finished;
  facts.reopened = options.accept_changes;
  facts.block_seconds = preview.seconds_left;
  facts.seconds_left = preview.seconds_left;
  facts.earlier_costs = costs_without_progress(fs, layout, ownership.newest_block);
  return facts;
}

// As a restore looks for one, by the heads alone: what is damaged there is passed over.
std::optional<rundir::SnapshotId> newest_readable(io::FileSystem& fs, const std::vector<rundir::CatalogEntry>& entries,
                                                  Preview& preview) {
  for (const rundir::CatalogEntry& entry : entries) {
    try {
      const snapshot::Reader head(fs, entry.path);
      return entry.id;
    } catch (const Error& error) {
      if (error.status() == CKPT_ERR_DAMAGED) preview.damaged.push_back(rundir::snapshot_file_name(entry.id));
      else if (error.status() != CKPT_ERR_NOT_FOUND) throw;
    }
  }
  return std::nullopt;
}

void refuse_lost_run(const rundir::Layout& layout, const ChainFacts& facts) {
  if (facts.newest || !facts.ever_had_snapshots || facts.has_kept) return;
  fail(CKPT_ERR_LOST, "{} had durable snapshots and none of them is left, so that its program would not start over; look "
       "at it with `ckpt ls`; to start from the beginning in a new run: ckptrun --fresh", layout.directory());
}

// As a start would choose; also where there is no run yet.
void look_at_checkpoints(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options, ChainFacts& facts,
                         Preview& preview) {
  OwnCheckpointsOfRun own(fs, layout, options.own, starts_over(fs, options));
  own.choose(facts);
  for (const checkpoints::Rejected& rejected : own.rejected())
    preview.damaged.push_back(fmt::format("{} ({})", rejected.path, rejected.reason));
  own.warn_of_doubt();
  preview.keeps_own = own.is_used();
}

void look_at_run(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options, Preview& preview) {
  const rundir::Permissions permissions = rundir::permissions_of(fs, layout);
  const rundir::Blocks blocks(fs, layout, permissions, [&](const auto& claim, const auto& who) {
    return options.scheduler ? options.scheduler->owner_state(claim, who) : local_owner_state(who);
  });
  const rundir::Catalog catalog(fs, layout, permissions);
  const auto entries = catalog.list();
  preview.blocks = blocks.newest();
  preview.snapshots = entries.size();
  preview.uses_libckpt = preview.blocks == 0 || blocks.links_libckpt();
  const Outlook outlook = look_ahead(fs, layout, preview.seconds_left);
  preview.progress = outlook.progress;
  preview.state_bytes = outlook.state_bytes;
  preview.snapshot_bytes = entries.empty() ? preview.state_bytes : entries.front().size_bytes;
  ChainFacts facts = facts_of(fs, layout, blocks, options, preview);
  facts.newest = newest_readable(fs, entries, preview);
  facts.ever_had_snapshots = catalog.ever_had_snapshots();
  facts.has_kept = !catalog.kept().empty();
  if (facts.owner == OwnerState::gone && (!facts.complete || facts.reopened))
    look_at_checkpoints(fs, layout, options, facts, preview);
  preview.decision = decide(facts, Event::starting);
  if (preview.decision.action == Action::wait_for_owner && !options.wait)
    refuse_to_wait(layout, facts.owner, facts.owner_text);
  const bool starts = preview.decision.action == Action::start_fresh || preview.decision.action == Action::resume;
  if (starts && options.strict && !options.accept_changes)
    refuse_changes(fs, layout, preview.blocks, look_around(options.program_path, options.command));
  if (preview.decision.action == Action::stop) refuse_lost_run(layout, facts);
}

void look_at_new_run(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options, Preview& preview) {
  ChainFacts facts;
  look_at_checkpoints(fs, layout, options, facts, preview);
  preview.decision = decide(facts, Event::starting);
}

void look_at_command(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options, Preview& preview) {
  const auto command = replace_values(options.command, changing_values());
  if (const auto record = rundir::read_run_record(fs, layout); record && !record->command.empty())
    preview.changed_command = command_difference(record->command, command).value_or("");
  check_command(fs, layout, command, options.accept_changes);
}

// A new directory comes to be in its parent; an old one leaves it.
void look_at_directory(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options,
                       Preview& preview) {
  preview.moves_old_run = starts_over(fs, options) && may_move_old_run(fs, layout, options.rules);
  const std::string standing = rundir::check_run_directory(fs, layout, options.rules);
  const std::string written = preview.moves_old_run ? io::parent_directory(layout.directory()) : standing;
  if (::access(written.c_str(), W_OK | X_OK) != 0)
    fail_io(errno, "cannot write in '{}', where the run is to be (name another place with --run)", written);
}

bool is_run(io::FileSystem& fs, const rundir::Layout& layout) {
  io::FileInfo info;
  return fs.info(layout.blocks(), info) == 0 || fs.info(layout.snapshots(), info) == 0;
}

// The first refusal is the one that a start would end with.
template <class Look>
void look(Preview& preview, Look look_at_it) try {
  look_at_it();
} catch (const Error& error) {
  if (preview.refusal.empty()) preview.refusal = error.what();
}

}  // namespace

Preview preview_chain(io::FileSystem& fs, Clock& clock, const ChainOptions& options) {
  const rundir::Layout layout(options.run.directory);
  Preview preview;
  look_at_end(clock, options, preview);
  preview.decision = {Action::start_fresh, "the beginning"};
  preview.exists = is_run(fs, layout) && !starts_over(fs, options);
  look(preview, [&] { look_at_directory(fs, layout, options, preview); });
  if (preview.exists) {
    look(preview, [&] { look_at_command(fs, layout, options, preview); });
    look(preview, [&] { look_at_run(fs, layout, options, preview); });
  }
  if (!preview.exists) look(preview, [&] { look_at_new_run(fs, layout, options, preview); });
  look_at_disk(fs, options, preview);
  look_at_memory(options, preview);
  return preview;
}

}  // namespace ckpt::supervisor
