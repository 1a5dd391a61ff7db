// SPDX-License-Identifier: Apache-2.0
#include "slurm/shared_array.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "chain/history.hpp"
#include "chain/identity.hpp"
#include "io/publish.hpp"
#include "rundir/blocks.hpp"
#include "rundir/listing.hpp"
#include "slurm/directives.hpp"

namespace ckpt::supervisor::slurm {
namespace {

bool is_over(io::FileSystem& fs, const rundir::Layout& layout) {
  const rundir::Blocks blocks(fs, layout, {});
  const auto end = blocks.read_end(blocks.newest());
  return (end && end->outcome == rundir::Outcome::finished) || read_history(fs, layout, blocks).concluded;
}

bool goes_on_in(io::FileSystem& fs, const rundir::Layout& layout, const std::vector<std::string>& arrays) try {
  io::FileInfo info;
  if (fs.info(layout.blocks(), info) != 0) return false;
  const rundir::Blocks blocks(fs, layout, {});
  const std::uint64_t newest = blocks.newest();
  const auto claim = newest == 0 ? std::nullopt : blocks.read_claim(newest);
  return claim && std::ranges::find(arrays, claim->array_id) != arrays.end() && !is_over(fs, layout);
} catch (const Error&) {   // no run, or somebody else's
  return false;
}

// Not begun is not over.
bool is_to_come(io::FileSystem& fs, const rundir::Layout& layout) try {
  io::FileInfo info;
  return fs.info(layout.blocks(), info) != 0 || rundir::Blocks(fs, layout, {}).newest() == 0 || !is_over(fs, layout);
} catch (const Error& error) {
  log_debug("whether {} is over cannot be told: {}", layout.directory(), error.what());
  return true;
}

std::string directory_of(const std::string& name) try {
  return rundir::Layout(identify_run(name).directory).directory();
} catch (const Error&) {   // not a name of a run after all
  return {};
}

}  // namespace

std::vector<std::string> runs_named_in(std::string_view script) {
  std::vector<std::string> runs;
  for (const std::string& line : command_lines(script))
    for (const std::vector<std::string>& command : shell_commands(line)) {
      const auto ckptrun = std::ranges::find(command, "ckptrun", &io::base_name);
      if (ckptrun == command.end()) continue;
      const std::string run = run_option(ckptrun + 1, command.end());
      if (!run.empty() && run.find_first_of("$`") == std::string::npos) runs.push_back(run);
    }
  return runs;
}

std::string other_run_in(io::FileSystem& fs, const std::string& run_directory, const std::vector<std::string>& arrays,
                         std::string_view script) {
  const std::string ours = rundir::Layout(run_directory).directory();
  for (const std::string& name : runs_named_in(script)) {
    const std::string other = directory_of(name);
    if (!other.empty() && other != ours && is_to_come(fs, rundir::Layout(other))) return io::base_name(other);
  }
  const std::string folder = io::parent_directory(ours);
  for (const std::string& name : rundir::list_names(fs, folder)) {
    const rundir::Layout other(folder + '/' + name);
    if (other.directory() != ours && goes_on_in(fs, other, arrays)) return name;
  }
  return {};
}

}  // namespace ckpt::supervisor::slurm
