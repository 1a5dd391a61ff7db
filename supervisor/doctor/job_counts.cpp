// SPDX-License-Identifier: Apache-2.0
// How many jobs the site takes, and from where.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/quantity.hpp"
#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {
namespace {

using slurm::LimitSet;

bool wants_more(const Facts& facts, std::optional<std::uint64_t> limit) {
  return limit && facts.run && facts.run->blocks_to_submit.value_or(0) > *limit;
}

std::string describe(const LimitSet& set) {
  std::string text;
  if (set.max_submitted) text = fmt::format("{} may run or wait", *set.max_submitted);
  if (set.max_jobs) text += fmt::format("{}{} run at once", text.empty() ? "" : ", ", *set.max_jobs);
  return text.empty() ? text : set.name + ": " + text;
}

std::string describe(const std::vector<LimitSet>& sets) {
  std::string all;
  for (const LimitSet& set : sets) {
    const std::string text = describe(set);
    if (!text.empty()) all += (all.empty() ? "" : "; ") + text;
  }
  return all;
}

// A job has one account and one QOS: it is stuck when none of those it may have takes that many.
bool none_takes_them(const Facts& facts, const std::vector<LimitSet>& sets) {
  const auto too_tight = [&](const LimitSet& set) { return wants_more(facts, set.max_submitted); };
  return !sets.empty() && std::ranges::all_of(sets, too_tight);
}

}  // namespace

Finding check_array_size(const Facts& facts) {
  const auto highest = facts.site.configuration.highest_array_index();
  if (!highest) return unknown("array size", "the site does not tell its MaxArraySize");
  const std::string text = fmt::format("a chain may have up to {} in one array", count_of(*highest, "block"));
  if (!wants_more(facts, highest)) return good("array size", text);
  return warning("array size", fmt::format("{}, that of {} needs {}", text, facts.run->name, *facts.run->blocks_to_submit),
                 "plan longer blocks, or submit the chain in parts");
}

Finding check_job_limits(const Facts& facts) {
  const std::string subject = "job limits";
  if (!facts.account.why_not.empty()) return unknown(subject, "the accounting was not asked: " + facts.account.why_not);
  std::vector<LimitSet> all = facts.account.associations;
  all.insert(all.end(), facts.account.qos.begin(), facts.account.qos.end());
  const std::string limits = describe(all);
  if (limits.empty()) return good(subject, "the accounting has none for you");
  const std::string text = limits + "; each block of a chain counts";
  if (!none_takes_them(facts, facts.account.associations) && !none_takes_them(facts, facts.account.qos))
    return good(subject, text);
  return warning(subject, fmt::format("{}; the chain of {} has {}", text, facts.run->name, *facts.run->blocks_to_submit),
                 "submit fewer, longer blocks");
}

Finding check_submission_from_jobs(const Facts& facts) {
  const std::string subject = "sbatch from a job";
  if (!facts.submission)
    return unknown(subject, "only seen in a job: srun ckpt doctor. Where it does not work ckptrun prints the line to type "
                   "when a chain needs more blocks");
  if (facts.submission->works) return good(subject, "it works: a chain that needs more blocks submits them itself");
  return warning(subject, facts.submission->why_not,
                 "plan enough blocks (surplus ones are cancelled); ckptrun prints the line to type when more are needed");
}

}  // namespace ckpt::supervisor::doctor
