// SPDX-License-Identifier: Apache-2.0
// ckpt done: an exit code for scripts.
#include <fmt/format.h>

#include "tools/find_run.hpp"
#include "tools/run_view.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {

int done(const std::string& run, Format format) {
  io::FileSystem& fs = io::file_system();
  const RunView view = view_run(fs, choose_run(fs, run));
  if (format == Format::json) {
    print_json({{"run", view.name}, {"done", view.state == RunState::complete}, {"state", name(view.state)},
                {"reason", view.reason}});
  } else {
    fmt::print("{}  {}{}\n", printable(view.name), paint(tone(view.state), name(view.state)),
               view.reason.empty() ? "" : ": " + printable(view.reason));
  }
  if (view.state == RunState::complete) return 0;
  return view.state == RunState::stopped ? exit_stopped : exit_no;
}

}  // namespace ckpt::tools
