// SPDX-License-Identifier: Apache-2.0
#include "chain/words.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/quantity.hpp"

namespace ckpt::supervisor {

bool is_bad(Action action) noexcept { return action == Action::stop || action == Action::fail; }

namespace {

std::string after_comma(const std::string& text) { return text.empty() ? "" : ", " + text; }

const char* word_for(Action action) {
  if (action == Action::complete) return "complete";
  return is_bad(action) ? "stopped" : "to be continued";
}

std::string newest_of(const std::optional<rundir::SnapshotId>& id) {
  return id ? fmt::format("newest snapshot: step {} (block {})", id->step, id->block) : "no snapshot yet";
}

std::string newest_of(const std::optional<checkpoints::Version>& version) {
  return version ? "newest checkpoint: " + checkpoints::describe(*version) : "no whole checkpoint yet";
}

// A decision to go on names where from, which the newest snapshot says anyway; one to end names why.
std::string what_ended(const Decision& decision, const BlockResult* last) {
  if (!last) return decision.reason;
  const bool has_own_reason = is_bad(decision.action) || decision.action == Action::superseded;
  const bool says_both = decision.reason.find(last->reason) != std::string::npos;   // "exit code 3; it came before …"
  std::string why = has_own_reason && says_both ? decision.reason : last->reason;
  if (has_own_reason && !says_both) why += "; " + decision.reason;
  return fmt::format("block {} ended after {}: {}", last->block, format_duration(last->seconds), why);
}

}  // namespace

std::string first_line(std::uint64_t block, const std::string& from, const Outlook& outlook, double seconds_left) {
  return fmt::format("block {}{} starts from {}{}{}", block,
                     outlook.about_blocks > 0 ? fmt::format(" of about {}", outlook.about_blocks) : "", from,
                     after_comma(outlook.progress),
                     std::isfinite(seconds_left) ? fmt::format(", {} left", format_duration(seconds_left)) : "");
}

std::string last_line(const Decision& decision, const BlockResult* last, const std::optional<rundir::SnapshotId>& newest,
                      const std::string& progress, const std::string& next) {
  const std::string state = last && last->keeps_own ? newest_of(last->own_newest) : newest_of(newest);
  return fmt::format("{}: {}; {}{}; {}", word_for(decision.action), what_ended(decision, last), state,
                     after_comma(progress), next);
}

}  // namespace ckpt::supervisor
