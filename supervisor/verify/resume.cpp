// SPDX-License-Identifier: Apache-2.0
#include "verify/resume.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "chain/thrown_away.hpp"
#include "rundir/layout.hpp"
#include "tools/block_view.hpp"
#include "verify/report.hpp"
#include "verify/trial.hpp"

namespace ckpt::verify {
namespace {

using namespace supervisor;

class Check {
 public:
  Check(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const Request& request, const std::string& folder)
      : fs_(fs), clock_(clock), signals_(signals), request_(request), folder_(folder), half_((request.steps + 1) / 2) {}

  Findings run() {
    log_info("{} straight", count_of(2 * half_, "step"));
    const Trial straight = run_straight("straight");
    const Trial resumed = run_resumed();
    Findings found{.stopped_at = resumed.stopped_at, .ended_at = resumed.ended_at, .straight_ended_at = {}, .failure = {},
                   .at_stop = compare(straight, resumed, resumed.stopped_at), .at_end = {}, .again = {},
                   .straight = straight.record, .resumed = resumed.record, .straight_again = {}};
    if (!resumed.came_through) found.failure = resumed.reason;
    else if (straight.ended_at != resumed.ended_at) found.straight_ended_at = straight.ended_at;
    else found.at_end = compare(straight, resumed, straight.ended_at);
    if (verdict_of(found) == Verdict::differs) judge_the_program_itself(straight, found);
    if (!found.failure.empty()) show_output(resumed);
    else warn_of_what_was_not_tried(straight, resumed);
    return found;
  }

 private:
  Trial run_straight(const std::string& name) {
    const Trial trial = run({.name = name, .steps = 2 * half_, .save_at = half_, .blocks = 1});
    if (!trial.links_libckpt) {
      show_output(trial);
      fail(CKPT_ERR_CONFIG, "the program opened no run of libckpt, so there is no state to compare: {}", trial.reason);
    }
    if (!trial.came_through) refuse_crash(trial);
    return trial;
  }

  Trial run_resumed() {
    log_info("the same with a stop after {}", count_of(half_, "step"));
    const Trial trial = run({.name = "resumed", .steps = half_, .blocks = 2});
    if (trial.blocks == 1 && !trial.finished) refuse_crash(trial);
    if (trial.blocks == 1)
      fail(CKPT_ERR_CONFIG, "the program's work is complete at step {}, before it could be stopped: give it more to do, or "
           "say --steps with less than {}", trial.ended_at, 2 * half_);
    return trial;
  }

  void warn_of_what_was_not_tried(const Trial& straight, const Trial& resumed) {
    if (const auto epoch_end = end_of_first_epoch(straight.record)) {
      if (resumed.stopped_at < *epoch_end)
        log_warning("the stop after {} lay in the first epoch: going on in a later one was not tried; --steps {} tries that",
                    count_of(half_, "step"), 2 * (*epoch_end + 1));
      else if (ends_an_epoch(resumed))
        log_warning("the stop after {} fell on the end of an epoch: going on in the middle of one was not tried; --steps {} tries that",
                    count_of(half_, "step"), 2 * (half_ + 1));
    }
    const auto progress = tools::last_progress(fs_, rundir::Layout(straight.directory), straight.blocks);
    if (progress && progress->unit == "epoch" && progress->done < 1)
      log_warning("no epoch ended in these {}: what comes at the end of one (a schedule, patience, a validation) was not tried; "
                  "--steps with more than an epoch has tries it as well", count_of(2 * half_, "step"));
  }

  static bool ends_an_epoch(const Trial& resumed) {
    const Moment* const stop = resumed.record.moment_at("point", 1, resumed.stopped_at);
    return stop && !stop->in_epoch;
  }

  // Its step; none where safe points are at the ends of epochs only.
  static std::optional<std::uint64_t> end_of_first_epoch(const Record& record) {
    const auto ends = [](const Moment& one) { return one.name == "point" && !one.in_epoch; };
    const auto has_middle = [](const Moment& one) { return one.name == "point" && one.in_epoch; };
    const auto end = std::ranges::find_if(record.moments, ends);
    if (end == record.moments.end() || std::ranges::none_of(record.moments, has_middle)) return std::nullopt;
    return end->step;
  }

  // A program whose straight runs differ says nothing about its resume.
  void judge_the_program_itself(const Trial& straight, Findings& found) {
    log_info("they differ: straight once more, to see whether that run is the same twice");
    const Trial again = run_straight("straight-again");
    found.again = compare(straight, again, straight.ended_at);
    found.straight_again = again.record;
  }

  Trial run(const TrialPlan& plan) { return run_trial(fs_, clock_, signals_, folder_, request_.chain, plan); }

  StateDifference compare(const Trial& one, const Trial& other, std::uint64_t step) {
    const std::string a = snapshot_at(fs_, one, step), b = snapshot_at(fs_, other, step);
    if (a.empty() || b.empty())
      return {.arrays = 0, .differing = {}, .values = {fmt::format("no state of step {} in one of the runs", step)}};
    return compare_snapshots(clock_, a, b);
  }

  [[noreturn]] void refuse_crash(const Trial& trial) {
    show_output(trial);
    fail(CKPT_ERR_CONFIG, "the program fails without any resume, so nothing can be said of that: {}", trial.reason);
  }

  void show_output(const Trial& trial) {
    if (const std::string text = last_lines(trial); !text.empty())
      fmt::print(stderr, "---- what the program printed last ----\n{}\n----\n", text);
  }

  io::FileSystem& fs_;
  Clock& clock_;
  SignalInbox& signals_;
  const Request& request_;
  const std::string folder_;
  const std::uint64_t half_;
};

}  // namespace

int verify_resume(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const Request& request) {
  ThrownAway folder(request.chain.run.directory, "verify");
  if (request.keep) folder.keep();
  const Findings found = Check(fs, clock, signals, request, folder.path()).run();
  print_findings(found, request.format);
  if (request.keep) log_info("the runs are kept in {}", folder.path());
  return verdict_of(found) == Verdict::exact ? 0 : 1;
}

}  // namespace ckpt::verify
