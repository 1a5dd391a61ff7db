// SPDX-License-Identifier: Apache-2.0
// What Slurm does with the time of jobs: limits, lateness, requeue, preemption, its clock.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity.hpp"
#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {
namespace {

constexpr double short_default_seconds = 3600;

bool is_none(const std::string& text) { return text.empty() || text == "preempt/none"; }

std::string preempt_mode(const Facts& facts) {
  const slurm::Partition* partition = facts.meant_partition();
  const bool own = partition && !partition->preempt_mode.empty();
  return own ? partition->preempt_mode : facts.site.configuration.value("PreemptMode");
}

// Of the partition, or the shortest of the QOS where those are preempted.
double grace_seconds(const Facts& facts) {
  const slurm::Partition* partition = facts.meant_partition();
  double grace = partition ? partition->grace_seconds.value_or(0) : 0;
  if (facts.site.configuration.value("PreemptType") != "preempt/qos") return grace;
  bool any = false;
  for (const slurm::LimitSet& set : facts.account.qos) {
    if (!set.grace_seconds) continue;
    grace = any ? std::min(grace, *set.grace_seconds) : *set.grace_seconds;
    any = true;
  }
  return grace;
}

}  // namespace

Finding check_time_limit(const Facts& facts) {
  const std::string subject = "time limit";
  const slurm::Partition* partition = facts.meant_partition();
  if (!partition)
    return facts.partition.empty()
               ? unknown(subject, "no partition is the default one; name it with --partition")
               : warning(subject, fmt::format("there is no partition {}", facts.partition), "name another with --partition");
  if (!partition->limit_seconds) return unknown(subject, fmt::format("partition {} does not tell its limit", partition->name));
  const std::string text = fmt::format("partition {}: {} at most", partition->name, format_duration(*partition->limit_seconds));
  if (facts.run && facts.run->block_seconds > *partition->limit_seconds + 60)
    return warning(subject, fmt::format("{}, blocks of {} had {}", text, facts.run->name, format_duration(facts.run->block_seconds)),
                   "plan shorter blocks: ckptplan --limit");
  if (partition->default_seconds && *partition->default_seconds < short_default_seconds)
    return good(subject, fmt::format("{}; only {} where a job does not say --time (ckptplan does)", text,
                                     format_duration(*partition->default_seconds)));
  return good(subject, text);
}

Finding check_long_limits(const Facts& facts) {
  const std::string subject = "limits too long";
  if (facts.site.configuration.rejects_long_limits()) return good(subject, "a job that asks for more is rejected at once");
  return warning(subject, fmt::format("a job that asks for more is accepted and then waits for ever (EnforcePartLimits={})",
                                      facts.site.configuration.value("EnforcePartLimits")),
                 "submit with ckptplan, which refuses it, or mind the time limit above");
}

Finding check_kill_wait(const Facts& facts) {
  constexpr double shortest_seconds = 5;
  const auto seconds = facts.site.configuration.seconds("KillWait");
  if (!seconds) return unknown("kill wait", "the site does not tell its KillWait");
  return good("kill wait", fmt::format("KILL comes {} after TERM; nothing here relies on it",
                                       format_duration(std::max(*seconds, shortest_seconds))));
}

Finding check_over_time_limit(const Facts& facts) {
  const slurm::Partition* partition = facts.meant_partition();
  auto seconds = facts.site.configuration.seconds("OverTimeLimit");
  if (partition && partition->over_time_limit_seconds) seconds = partition->over_time_limit_seconds;
  if (!seconds) return unknown("over the limit", "the site does not tell its OverTimeLimit");
  return good("over the limit", *seconds > 0
                  ? fmt::format("a job may run {} over its limit; nothing here relies on it", format_duration(*seconds))
                  : std::string("no time is given over the limit; the kill itself comes up to 30 s late"));
}

Finding check_requeue(const Facts& facts) {
  const auto requeues = facts.site.configuration.flag("JobRequeue");
  const bool truncates = facts.site.configuration.flag("JobFileAppend") == false;
  const std::string log = truncates ? "; its log is then truncated unless --open-mode=append is given (ckptplan does)" : "";
  if (!requeues) return unknown("requeue", "the site does not tell its JobRequeue");
  if (*requeues) return good("requeue", "a block whose node fails is started again" + log);
  return good("requeue", "a block whose node fails is not started again; the next block of the chain goes on");
}

Finding check_preemption(const Facts& facts) {
  const std::string subject = "preemption", mode = preempt_mode(facts);
  if (is_none(facts.site.configuration.value("PreemptType"))) return good(subject, "no job is preempted here");
  if (!facts.partition.empty() && !facts.meant_partition())
    return unknown(subject, fmt::format("there is no partition {}", facts.partition));
  if (mode == "OFF") return good(subject, "jobs of this partition are not preempted");
  if (mode.find("SUSPEND") != std::string::npos) return good(subject, "jobs may be suspended, and go on later");
  const double grace = grace_seconds(facts);
  const std::string save_more = "let less be lost: ckptrun --save-interval, or another partition";
  if (grace <= 0)
    return warning(subject, fmt::format("jobs may be preempted ({}) at any moment without notice: what is not saved by then "
                                        "is lost", mode), save_more);
  const std::string notice = format_duration(grace);
  if (facts.site.configuration.lists("SlurmctldParameters", "preempt_send_user_signal"))
    return good(subject, fmt::format("jobs may be preempted ({}) with {} of notice: the warning signal comes at once, and "
                                     "ckptrun sees the new end", mode, notice));
  return warning(subject, fmt::format("jobs may be preempted ({}) after {}, and the job script is not told "
                                      "(no preempt_send_user_signal): ckptrun sees the new end only when it next asks", mode,
                                      notice), save_more);
}

Finding check_controller_clock(const Facts& facts) {
  const auto skew = facts.site.clock_skew_seconds;
  if (!skew) return unknown("controller's clock", "it was not told");
  if (std::abs(*skew) <= harmless_skew_seconds) return good("controller's clock", "it agrees with the one here");
  return warning("controller's clock", fmt::format("it is {} {}", format_duration(std::abs(*skew)), *skew > 0 ? "ahead" : "behind"),
                 "tell the site (NTP); ckptrun corrects the end of a block by Slurm's own time left");
}

}  // namespace ckpt::supervisor::doctor
