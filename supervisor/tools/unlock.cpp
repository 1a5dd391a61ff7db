// SPDX-License-Identifier: Apache-2.0
// ckpt unlock: a person's word that the owner of a run, who cannot be seen from here, is gone.
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "rundir/blocks.hpp"
#include "tools/find_run.hpp"
#include "tools/intervention.hpp"
#include "tools/terminal.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
int unlock(const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_run(fs, choose_run(fs, options.run));
  require_own_run(fs, view, options.allow_other_owner);
  rundir::Blocks blocks(fs, view.layout, view.permissions);
  const rundir::Ownership& before = view.ownership;
  if (before.state == OwnerState::alive)
    fail(CKPT_ERR_IN_USE, "{} is in use by a process that is alive ({}): nothing to unlock; end it with ckpt stop {}",
         view.name, before.owner, shell_word(view.name));
  const bool locked = before.state == OwnerState::unknown;
  if (locked) blocks.unlock(claim_of_this_person(), "unlocked by " + describe(identify_self()));
  if (format == Format::json) print_json({{"run", view.name}, {"unlocked", locked}, {"owner", before.owner}});
  else if (locked) fmt::print("{} is free: {} counts as gone\n", printable(view.name), before.owner);
  else fmt::print("{} was free already\n", printable(view.name));
  return 0;
}

}  // namespace ckpt::tools
