// SPDX-License-Identifier: Apache-2.0
// A run as its directory tells, read once: catalog and blocks decide, status.json only adds what is not on disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "rundir/layout.hpp"
#include "slurm/onlooker.hpp"
#include "tools/json_text.hpp"
#include "tools/terminal.hpp"

namespace ckpt::tools {

enum class RunState {
  empty,             // no block was ever started
  running,
  owner_unknown,     // its owner cannot be seen from here (another machine)
  complete,
  to_be_continued,
  crashed,
  interrupted,       // the last block left no word: killed, or its machine failed
  stopped,           // ckptrun decided that going on makes no sense
};
const char* name(RunState state) noexcept;
Tone tone(RunState state) noexcept;

struct Progress {
  double done = 0, total = 0;   // total 0: unknown
  std::string unit;
};

struct RunView {
  rundir::Layout layout;
  std::string name;                             // as people call it: of ./ckpt-runs/<name>
  rundir::Permissions permissions;
  rundir::Ownership ownership;
  std::optional<rundir::Claim> claim;           // of the newest block
  std::optional<rundir::BlockEnd> end;
  std::vector<rundir::CatalogEntry> snapshots;  // newest first
  nlohmann::json status;                        // {} when absent, or when it is about an older block
  double status_age_seconds = 0;
  RunState state = RunState::empty;
  std::string reason;
  std::optional<Progress> progress;

  explicit RunView(rundir::Layout where) : layout(std::move(where)) {}
  bool may_be_running() const { return state == RunState::running || state == RunState::owner_unknown; }
  std::optional<std::uint64_t> step() const;    // the program's, else the newest snapshot's
};

// Below ./ckpt-runs the name is what --run takes; elsewhere the last part of the path.
std::string name_of_run(const rundir::Layout& layout);
// Slurm, where it has to be asked about a run: shared by all that this process does.
supervisor::slurm::Onlooker& onlooker();
// Where this machine cannot tell whether the owner lives, Slurm is asked: exactly for one run, once for a list of them.
enum class Look { at_one, among_many };
RunView view_run(io::FileSystem& fs, const rundir::Layout& layout, Look look = Look::at_one);
// Whose queue is to be asked about: the newest block's, before the first one that of the chain that was submitted.
std::optional<rundir::Claim> claim_of_sent(io::FileSystem& fs, const RunView& view);
// CKPT_ERR_PERMISSION when it is another user's; steering that needs an explicit word.
void require_own_run(io::FileSystem& fs, const RunView& view, bool allow_other_owner);

// Wall seconds of the last claim, end, status or snapshot.
double last_sign_of_life(io::FileSystem& fs, const rundir::Layout& layout);

// "epoch 2.1 of 4 (52 %)"; "-" when unknown.
std::string describe(const std::optional<Progress>& progress);
Json to_json(const std::optional<Progress>& progress);
// {"step", "block", "file", "bytes", "written", "age_seconds"}, or null.
Json newest_snapshot_json(const RunView& view);
// Bytes on disk: snapshots and kept ones, a file with two names counted once.
std::uint64_t bytes_on_disk(io::FileSystem& fs, const RunView& view);

}  // namespace ckpt::tools
