// SPDX-License-Identifier: Apache-2.0
// ckpt rollback, ckpt fork: going on from an older snapshot, in the same run or in a new one. The snapshot gets a second
// name, of a new block; nothing is removed or changed, and the newest (block, step) is what the next start resumes from.
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "chain/identity.hpp"
#include "tools/find_run.hpp"
#include "tools/intervention.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr int times_looked = 10;

std::string by_this_person() { return "by " + describe(identify_self()); }

// A run that lives may remove a snapshot between our looking and our taking it: then the next.
template <class Take>
PickedSnapshot pick_and_take(io::FileSystem& fs, const RunView& of, const std::string& which, const Take& take) {
  for (int attempt = 1;; ++attempt) {
    try {
      const PickedSnapshot picked = pick_snapshot(fs, view_run(fs, of.layout), which);
      take(picked);
      return picked;
    } catch (const Error& error) {
      if (error.status() != CKPT_ERR_NOT_FOUND || attempt == times_looked) throw;
    }
  }
}

// A fork that was cut short is taken over.
rundir::Layout layout_of_fork(io::FileSystem& fs, const std::string& given) {
  const rundir::Layout layout(supervisor::identify_run(given).directory);
  io::FileInfo info;
  const int error = fs.info(layout.directory(), info);
  if (error == 0 && !is_unfinished(fs, layout))
    fail(CKPT_ERR_ARGUMENT, "'{}' is there already; give the fork another name", layout.directory());
  if (error != 0 && error != ENOENT) fail_io(error, "cannot look at '{}'", layout.directory());
  return layout;
}

// Before anything of it is there: half a fork must not be started as a run that begins from zero.
void make_run_without_its_snapshot(io::FileSystem& fs, const rundir::Layout& layout, bool allow_volatile) {
  rundir::prepare_run_directory(fs, layout, {.allow_volatile = allow_volatile, .begins_from_snapshot = true});
}

// Reading it can take minutes, after which a run that lives may have removed it: so what is read is the fork's own.
void require_whole_fork(io::FileSystem& fs, const std::string& forked, const PickedSnapshot& from) try {
  require_whole(fs, forked);
} catch (const Error& error) {
  fail(error.status(), "there is no fork from {}: {}", from.path, error.what());
}

// What is not finished goes; the claim says that it is ours.
template <class Use>
PickedSnapshot finished_or_removed(const Intervention& hand, const Use& use) try {
  return use();
} catch (const Error&) {
  try {
    hand.remove_run();
  } catch (const Error& error) {
    log_warning("{}", error.what());
  }
  throw;
}

}  // namespace

int rollback(const std::string& which, const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_run(fs, choose_run(fs, options.run));
  require_own_run(fs, view, options.allow_other_owner);
  require_unowned(view, "rolled back");
  const PickedSnapshot picked = pick_snapshot(fs, view, which);
  require_whole(fs, picked.path);
  Intervention hand(fs, view, "rolled back");
  hand.continue_from(picked.path, picked.step, fmt::format("rolled back to step {} {}", picked.step, by_this_person()));
  if (format == Format::json)
    print_json({{"run", view.name}, {"step", picked.step}, {"block", hand.block()}, {"from", picked.path}});
  else
    fmt::print("{} goes on from step {} when it is started next\n", printable(view.name), picked.step);
  return 0;
}

int fork(const std::string& name, const std::string& which, const ForkOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView from = view_run(fs, choose_run(fs, options.run));
  pick_snapshot(fs, from, which);   // before anything is made
  const rundir::Layout layout = layout_of_fork(fs, name);
  make_run_without_its_snapshot(fs, layout, options.allow_volatile);
  const RunView view = view_run(fs, layout);
  Intervention hand(fs, view, "forked into");
  const PickedSnapshot picked = finished_or_removed(hand, [&] {
    const PickedSnapshot taken = pick_and_take(fs, from, which, [&](const PickedSnapshot& one) {
      hand.continue_from(one.path, one.step, fmt::format("forked from step {} of {} {}", one.step,
                                                         from.layout.directory(), by_this_person()));
    });
    require_whole_fork(fs, layout.snapshot({hand.block(), taken.step}), taken);
    return taken;
  });
  if (format == Format::json)
    print_json({{"run", view.name}, {"directory", layout.directory()}, {"step", picked.step}, {"from", picked.path}});
  else
    fmt::print("{} starts from step {} of {}: ckptrun -r {} -- COMMAND\n", printable(view.name), picked.step,
               printable(from.name), printable(shell_word(name)));
  return 0;
}

}  // namespace ckpt::tools
