// SPDX-License-Identifier: Apache-2.0
#include "chain/job_step.hpp"

#include <algorithm>

namespace ckpt::supervisor {
namespace {

constexpr std::uint64_t times_the_plan = 2;
constexpr std::uint64_t blocks_when_unknown = 2;   // surplus is cancelled in the end

const rundir::Submission* find(const std::vector<rundir::Submission>& submissions, const std::string& array_id) {
  const auto found = std::find_if(submissions.begin(), submissions.end(),
                                  [&](const auto& submission) { return submission.array_id == array_id; });
  return found == submissions.end() ? nullptr : &*found;
}

// Back to what a person sent; a record that names itself must not lead round and round.
const rundir::Submission* first_of_chain(const std::vector<rundir::Submission>& submissions, const std::string& array_id) {
  const rundir::Submission* submission = find(submissions, array_id);
  for (std::size_t hops = 0; submission && !submission->extends.empty() && hops < submissions.size(); ++hops)
    submission = find(submissions, submission->extends);
  return submission;
}

JobStep go_on(const JobFacts& facts) {
  if (facts.queue.waiting.value_or(1) > 0) return {};   // not told: better one block too few than two chains
  if (!facts.queue.begun.empty()) return {};
  if (facts.blocks_may_send == 0 || !facts.extended_by.empty() || facts.queue.was_cut_short)
    return {false, QueueStep::tell_how_to_extend, std::max<std::uint64_t>(facts.blocks_needed, 1)};
  const std::uint64_t wanted = facts.blocks_needed > 0 ? facts.blocks_needed : blocks_when_unknown;
  return {false, QueueStep::extend, std::min(wanted, facts.blocks_may_send)};
}

}  // namespace

JobStep next_in_job(const Decision& decision, CrashKind crash, const JobFacts& facts) {
  switch (decision.action) {
    case Action::retry:
      if (crash != CrashKind::device && facts.seconds_left > facts.one_start_seconds) return {true, QueueStep::nothing, 0};
      return go_on(facts);
    case Action::start_fresh:
    case Action::resume:
    case Action::hand_on: return go_on(facts);
    case Action::complete:
    case Action::leave:
    case Action::stop:
    case Action::fail: return {false, QueueStep::cancel_waiting, 0};
    case Action::superseded:
    case Action::wait_for_owner: break;
  }
  return {};
}

// This block does one of them itself, if all goes well.
JobStep first_in_job(const JobFacts& facts) {
  JobFacts rest = facts;
  if (facts.blocks_needed > 1) --rest.blocks_needed;
  const JobStep step = go_on(rest);
  return step.queue == QueueStep::extend ? step : JobStep{};
}

double seconds_for_questions(double seconds_left, StopCause asked) noexcept {
  constexpr double least = 1, kept_for_the_last_line = 5;
  constexpr double at_most = 60, when_time_is_up = 10, when_a_kill_follows = 5;
  const double most = asked == StopCause::deadline ? when_time_is_up : asked == StopCause::job ? when_a_kill_follows : at_most;
  return std::clamp(seconds_left - kept_for_the_last_line, least, most);
}

std::string extension_of(const std::vector<rundir::Submission>& submissions, const std::string& array_id) {
  const auto extends = [&](const auto& submission) { return submission.extends == array_id; };
  const auto found = std::find_if(submissions.begin(), submissions.end(), extends);
  return found == submissions.end() || array_id.empty() ? std::string() : found->array_id;
}

bool are_of_one_chain(const std::vector<rundir::Submission>& submissions, const std::string& one, const std::string& other) {
  if (one == other) return true;
  const rundir::Submission* first = first_of_chain(submissions, one);
  return first && first == first_of_chain(submissions, other);
}

std::uint64_t blocks_may_send(const std::vector<rundir::Submission>& submissions, const std::string& array_id) {
  const rundir::Submission* first = first_of_chain(submissions, array_id);
  if (!first || !first->sweep_arrays.empty()) return 0;
  std::uint64_t sent = 0;
  for (const auto& submission : submissions)
    if (first_of_chain(submissions, submission.array_id) == first) sent += submission.blocks;
  const std::uint64_t most = times_the_plan * first->planned_blocks;
  return most > sent ? most - sent : 0;
}

}  // namespace ckpt::supervisor
