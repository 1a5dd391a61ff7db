// SPDX-License-Identifier: Apache-2.0
#include "tools/situation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/clock.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "chain/job_step.hpp"
#include "io/publish.hpp"
#include "tools/intervention.hpp"

namespace ckpt::tools {
namespace {

constexpr std::uint64_t blocks_shown = 10;   // what is older teaches nothing about now

std::optional<double> later(std::optional<double> seconds, double passed) {
  if (!seconds) return std::nullopt;
  return std::max(0.0, *seconds - passed);
}

void read_times_left(Situation& now) {
  const RunView& run = now.run;
  if (!run.may_be_running() || !run.claim) return;
  now.stop_in_seconds = later(number_in(run.status, "stop_in_seconds"), run.status_age_seconds);
  now.seconds_to_end = later(number_in(run.status, "seconds_to_end"), run.status_age_seconds);
  if (!now.seconds_to_end && run.claim->block_seconds > 0) {
    now.seconds_to_end =
        std::max(0.0, run.claim->claimed + run.claim->block_seconds - system_clock().wall_seconds());
  }
  // The two were told at different times.
  if (now.stop_in_seconds && now.seconds_to_end) now.stop_in_seconds = std::min(*now.stop_in_seconds, *now.seconds_to_end);
}

// What the program told last is newer than its ledger.
void add_live_word(const RunView& run, BlockView& newest) {
  const double time = system_clock().wall_seconds() - run.status_age_seconds;
  const auto step = number_in(run.status, "step"), done = number_in(object_in(run.status, "progress"), "done");
  if (step && newest.steps.begun && *step > newest.steps.to) newest.steps.add(time, *step);
  if (done && newest.progress.begun && *done > newest.progress.to) newest.progress.add(time, *done);
}

std::string last_end_of(const std::vector<BlockView>& blocks) {
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    if (const auto& end = block->summary.end)
      return fmt::format("block {}: {}", block->summary.claim.block, describe_end(*end));
  }
  return "";
}

// Those of a sweep lie beside its trials.
std::vector<rundir::Submission> submissions_of(io::FileSystem& fs, const RunView& run) {
  auto submissions = rundir::read_submissions(fs, run.layout.directory());
  if (!submissions.empty()) return submissions;
  submissions = rundir::read_submissions(fs, io::parent_directory(run.layout.directory()));
  std::erase_if(submissions, [](const rundir::Submission& one) { return one.sweep_arrays.empty(); });
  return submissions;
}

void read_what_has_not_begun(Situation& now, io::FileSystem& fs, const std::vector<rundir::Submission>& submissions) {
  if (const auto claim = claim_of_sent(fs, now.run)) now.queue = onlooker().queue(fs, now.run.layout, *claim);
  now.sent_is_gone = !submissions.empty() && std::ranges::all_of(submissions, [](const rundir::Submission& one) {
    return onlooker().is_over(supervisor::slurm::claim_of_array(one.array_id, one.cluster));
  });
  if (now.sent_is_gone) now.run.reason = fmt::format("array {} is gone without having begun", now.sent_array);
}

void read_what_is_left(Situation& now, io::FileSystem& fs) {
  const rundir::Catalog catalog(fs, now.run.layout, now.run.permissions);
  now.is_half_fork = is_unfinished(fs, now.run.layout);
  now.has_nothing_left = now.run.snapshots.empty() && catalog.ever_had_snapshots() && catalog.kept().empty();
}

double work_left_seconds(const Situation& now) {
  const auto& progress = now.run.progress;
  if (!progress || progress->total <= 0 || !now.pace.seconds_per_unit) return -1;
  return std::max(0.0, progress->total - progress->done) * *now.pace.seconds_per_unit;
}

std::optional<Outlook> outlook_of(const Situation& now, const std::vector<BlockView>& blocks) {
  const double work = work_left_seconds(now);
  if (work < 0 || now.run.state == RunState::complete || !now.run.claim) return std::nullopt;
  constexpr double no_limit = std::numeric_limits<double>::infinity();
  Ahead ahead{.work_seconds = work};
  if (now.run.claim->block_seconds > 0) ahead.block_seconds = now.run.claim->block_seconds;
  ahead.start_seconds = start_seconds_of(blocks);
  ahead.wait_seconds = now.waits.mean_seconds;
  if (now.run.may_be_running()) {
    ahead.seconds_to_end = now.seconds_to_end.value_or(no_limit);
    ahead.stop_in_seconds = now.stop_in_seconds.value_or(ahead.seconds_to_end);
    if (std::isfinite(ahead.seconds_to_end)) ahead.reserve_seconds = ahead.seconds_to_end - ahead.stop_in_seconds;
  }
  return look_ahead(ahead);
}

std::size_t waiting_blocks(const Situation& now) { return now.queue ? now.queue->waiting.value_or(0) : 0; }

// A chain that ckptplan sent is extended by its last block, up to twice the plan; a sweep is not.
std::string advice_for_running(const Situation& now) {
  if (!now.save_error.empty()) return "see why the last save failed; the older snapshots stand, the program goes on";
  if (!now.queue || !now.outlook || now.outlook->blocks <= waiting_blocks(now)) return "nothing";
  if (now.may_send > 0 && now.queue->is_chain == true) return "nothing; its last block sends more of them";
  return fmt::format("submit about {} when it ends: fewer wait than the work needs",
                     count_of(now.outlook->blocks - waiting_blocks(now), "more block"));
}

// Of a chain whose tasks are used up, of a trial whose next one cannot start after a task that was killed.
void read_how_to_go_on(Situation& now, io::FileSystem& fs) {
  const RunState state = now.run.state;
  const bool is_unfinished = state == RunState::to_be_continued || state == RunState::interrupted || state == RunState::crashed;
  if (!is_unfinished || !now.run.claim || now.run.claim->job_id.empty() || !now.queue || waiting_blocks(now) > 0) return;
  if (state == RunState::interrupted) now.run.reason += "; no later task of it starts";
  const std::size_t blocks = now.outlook ? std::max<std::size_t>(now.outlook->blocks, 1) : 1;
  now.line_to_go_on = onlooker().line_to_go_on(fs, now.run.layout, *now.run.claim, blocks);
}

std::string advice_for_interrupted(const Situation& now) {
  if (now.has_nothing_left) return "put one of its snapshots back, or start it over with --fresh: none is left to go on from";
  if (const std::size_t waiting = waiting_blocks(now); waiting > 0)
    return fmt::format("nothing: what waits goes on ({} of array {})", count_of(waiting, "block"), now.queue->array_id);
  if (!now.line_to_go_on.empty()) return "to go on from the newest snapshot type: " + now.line_to_go_on;
  return "start it again with the same command; it goes on from the newest snapshot";
}

}  // namespace

Situation look_at(io::FileSystem& fs, const rundir::Layout& layout) {
  Situation now(view_run(fs, layout));
  const auto submissions = submissions_of(fs, now.run);
  if (!submissions.empty()) now.sent_array = submissions.back().array_id;
  if (now.run.state == RunState::empty) read_what_has_not_begun(now, fs, submissions);
  if (!now.run.may_be_running()) read_what_is_left(now, fs);
  std::vector<BlockView> blocks = view_newest_blocks(fs, now.run, blocks_shown);
  if (blocks.empty()) return now;
  add_live_word(now.run, blocks.back());
  now.block = blocks.back();
  now.save_error = text_in(now.run.status, "save_error");
  if (now.save_error.empty()) now.save_error = now.block->save_error;
  now.last_end = last_end_of(blocks);
  if (!submissions.empty()) now.planned_blocks = submissions.back().planned_blocks;
  if (now.run.claim) {
    now.queue = onlooker().queue(fs, layout, *now.run.claim);
    now.may_send = supervisor::blocks_may_send(submissions, now.run.claim->array_id);
  }
  read_times_left(now);
  now.pace = pace_of(blocks, now.run.progress, now.run.step());
  now.waits = waits_between(blocks, submissions);
  now.outlook = outlook_of(now, blocks);
  read_how_to_go_on(now, fs);
  return now;
}

std::string advice(const Situation& now) {
  const std::string name = now.run.name;
  if (now.is_half_fork) return "type again the ckpt fork that was to make this run: it was killed";
  switch (now.run.state) {
    case RunState::running: return advice_for_running(now);
    case RunState::complete: return "nothing";
    case RunState::owner_unknown:
      return fmt::format("nothing while it runs there; ckpt unlock {} when it is certainly gone", shell_word(name));
    case RunState::empty:
      if (now.sent_is_gone) return "submit it again";
      return now.sent_array.empty() ? "start it with ckptrun"
                                    : fmt::format("nothing: array {} was sent for it, and has not begun", now.sent_array);
    case RunState::to_be_continued:
    case RunState::interrupted: return advice_for_interrupted(now);
    case RunState::crashed:
      if (waiting_blocks(now) > 0) return advice_for_interrupted(now);
      [[fallthrough]];
    case RunState::stopped: return "mend what the reason says, then start it again with the same command";
  }
  return "";
}

// Between two blocks of a chain of jobs nobody runs it; while Slurm does not say that nothing waits, the next one may come.
bool is_at_rest(const Situation& now) {
  if (now.run.state == RunState::complete || now.run.state == RunState::stopped) return true;
  if (now.run.state == RunState::empty) return now.sent_is_gone;
  if (now.run.may_be_running()) return false;
  const bool is_job = now.run.claim && !now.run.claim->job_id.empty();
  return !is_job || (now.queue && waiting_blocks(now) == 0);
}

}  // namespace ckpt::tools
