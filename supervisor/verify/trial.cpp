// SPDX-License-Identifier: Apache-2.0
#include "verify/trial.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "base/log.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"

namespace ckpt::verify {
namespace {

using namespace supervisor;

constexpr std::size_t enough_snapshots = 1000;     // those that are compared are not to be pruned
constexpr std::size_t lines_shown = 15;

// What the chain would say of each block is not what this is about.
class OnlyWarnings {
 public:
  OnlyWarnings() { set_log_level(std::min(before_, LogLevel::warning)); }
  ~OnlyWarnings() { set_log_level(before_); }
  OnlyWarnings(const OnlyWarnings&) = delete;

 private:
  LogLevel before_ = log_level();
};

ChainOptions options_of(ChainOptions chain, const std::string& directory, const TrialPlan& plan) {
  chain.run.directory = directory;
  chain.rules.allow_volatile = true;
  chain.keep = enough_snapshots;
  chain.most_blocks = plan.blocks;
  chain.output = OutputWay::log_only;
  chain.variables = {"CKPT_VARIABLES=" + directory + "/variables.jsonl"};
  chain.program_config = {{"allow_volatile", "on"},
                          {"keep", std::to_string(enough_snapshots)},
                          {"save_interval", "1000d"},
                          {"stop_after_steps", std::to_string(plan.steps)}};
  if (plan.save_at) chain.program_config.emplace_back("save_after_steps", std::to_string(plan.save_at));
  return chain;
}

}  // namespace

Trial run_trial(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const std::string& folder, ChainOptions chain,
                const TrialPlan& plan) {
  const rundir::Layout layout(folder + "/" + plan.name);
  {
    const OnlyWarnings only;
    run_chain(fs, clock, signals, options_of(std::move(chain), layout.directory(), plan));
  }
  if (signals.stop_reason()) fail(CKPT_ERR_TIMEOUT, "the check was interrupted; nothing is kept of it");
  const rundir::Blocks blocks(fs, layout, rundir::permissions_of(fs, layout));
  Trial trial;
  trial.directory = layout.directory();
  trial.links_libckpt = blocks.links_libckpt();
  trial.blocks = blocks.newest();
  trial.record = read_record(fs, layout.directory() + "/variables.jsonl");
  for (std::uint64_t block = 1; block <= trial.blocks; ++block) {
    const auto end = blocks.read_end(block).value_or(rundir::BlockEnd{});
    if (block == 1) trial.stopped_at = end.step.value_or(0);
    trial.ended_at = end.step.value_or(0);
    trial.reason = end.reason;
    trial.finished = end.outcome == rundir::Outcome::finished;
    trial.came_through = trial.finished || end.outcome == rundir::Outcome::stopped;
    if (!trial.came_through) break;
  }
  return trial;
}

std::string snapshot_at(io::FileSystem& fs, const Trial& trial, std::uint64_t step) {
  const rundir::Layout layout(trial.directory);
  for (const auto& entry : rundir::Catalog(fs, layout, rundir::permissions_of(fs, layout)).list())
    if (entry.id.step == step) return entry.path;
  return {};
}

std::string last_lines(const Trial& trial) {
  std::ifstream log(rundir::Layout(trial.directory).block_log(trial.blocks));
  std::string text{std::istreambuf_iterator<char>(log), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t at = text.size();
  for (std::size_t line = 0; line < lines_shown && at != std::string::npos && at > 0; ++line) at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

}  // namespace ckpt::verify
