// SPDX-License-Identifier: Apache-2.0
// ckpt rm: a run with all its snapshots. What is not of a run stays, should the run share its directory with other things.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "tools/find_run.hpp"
#include "tools/intervention.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

namespace filesystem = std::filesystem;

void require_nothing_waits(io::FileSystem& fs, const RunView& view) {
  if (!view.claim) return;
  const auto queue = onlooker().queue(fs, view.layout, *view.claim);
  if (!queue || queue->waiting.value_or(0) == 0) return;
  fail(CKPT_ERR_IN_USE, "{} of {} wait in the queue (array {}) and would start it anew; cancel them first: ckpt stop {}",
       count_of(*queue->waiting, "block"), view.name, queue->array_id, shell_word(view.name));
}

void require_a_word(const RunView& view, std::uint64_t bytes, bool yes) {
  if (yes) return;
  const std::string what = fmt::format("{}: {}, {}", view.layout.directory(), count_of(view.snapshots.size(), "snapshot"),
                                       format_size(bytes));
  if (::isatty(STDIN_FILENO) == 0) fail(CKPT_ERR_ARGUMENT, "nothing is removed without --yes ({})", what);
  fmt::print(stderr, "remove {}, for ever? [y/N] ", what);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes") fail(CKPT_ERR_ARGUMENT, "nothing was removed");
}

void refuse_link(const std::string& directory) {
  std::error_code unknown;
  if (!filesystem::is_symlink(directory, unknown)) return;
  fail(CKPT_ERR_ARGUMENT, "'{}' is a symbolic link: name the run's own directory, {}", directory,
       filesystem::canonical(directory, unknown).string());
}

}  // namespace

int remove_run(bool yes, const RequestOptions& options, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_run(fs, choose_run(fs, options.run));
  const std::string& directory = view.layout.directory();
  refuse_link(directory);
  require_own_run(fs, view, options.allow_other_owner);
  require_unowned(view, "removed");
  require_nothing_waits(fs, view);
  const std::uint64_t bytes = bytes_on_disk(fs, view);
  require_a_word(view, bytes, yes);
  const Intervention hand(fs, view, "removed");
  const bool all = hand.remove_run();
  if (format == Format::json) print_json({{"run", view.name}, {"bytes", bytes}, {"directory_removed", all}});
  else fmt::print("removed {}, {}{}\n", printable(view.name), format_size(bytes),
                  all ? "" : "; other files in " + printable(directory) + " stay");
  return 0;
}

}  // namespace ckpt::tools
