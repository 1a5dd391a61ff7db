// SPDX-License-Identifier: Apache-2.0
// A person's hand on a run that nobody owns: a block of its own, claimed and ended at once, so that whatever is changed
// is changed by the newest block, and the story of the run tells of it.
#pragma once

#include <string>

#include "tools/run_view.hpp"

namespace ckpt::tools {

// The claim of whoever calls ckpt.
rundir::Claim claim_of_this_person();

// CKPT_ERR_IN_USE, with what to do, unless the owner is known to be gone. `verb`: what is refused, "roll back".
void require_unowned(const RunView& view, const char* verb);

// A fork that ended before it had its snapshot: nothing but the claims of such interventions, none of them ended.
bool is_unfinished(io::FileSystem& fs, const rundir::Layout& layout);

class Intervention {
 public:
  // Claims the next block. CKPT_ERR_IN_USE: the run is owned, or somebody was faster.
  Intervention(io::FileSystem& fs, const RunView& view, const char* verb);

  std::uint64_t block() const noexcept { return claim_.block; }
  // `file`, a whole snapshot of `step`, becomes the newest one of this run; the block ends, to be continued from it.
  void continue_from(const std::string& file, std::uint64_t step, const std::string& reason);
  // Removes all of the run; after an Error the rest is still a run, to be removed once more. False: other things are in
  // its directory, which stays with them.
  bool remove_run() const;

 private:
  rundir::Layout layout_;
  rundir::Blocks blocks_;
  rundir::Catalog catalog_;
  rundir::Claim claim_;
};

}  // namespace ckpt::tools
