// SPDX-License-Identifier: Apache-2.0
#include "verify/report.hpp"

#include <fmt/format.h>

#include "base/quantity.hpp"
#include "tools/terminal.hpp"

namespace ckpt::verify {
namespace {

using tools::Json;
using tools::Tone;

constexpr std::size_t values_shown = 3;

// The comparison that the verdict rests on.
const StateDifference& decisive(const Findings& found) {
  if (!found.at_stop.same()) return found.at_stop;
  return found.again && !found.again->same() ? *found.again : found.at_end;
}

std::string headline(const Findings& found) {
  const StateDifference& state = decisive(found);
  switch (verdict_of(found)) {
    case Verdict::exact:
      return fmt::format("resumes exactly: {}, the same bytes at step {} with a stop at step {} as without one",
                         count_of(state.arrays, "array"), found.ended_at, found.stopped_at);
    case Verdict::does_not_resume:
      return fmt::format("does not resume: the start after the stop at step {} failed: {}", found.stopped_at, found.failure);
    case Verdict::not_deterministic:
      return "cannot be judged: the program is not deterministic, two straight runs of it differ";
    case Verdict::differs: break;
  }
  if (found.straight_ended_at)
    return fmt::format("differs: the straight run ended at step {}, the resumed one at step {}", *found.straight_ended_at,
                       found.ended_at);
  return fmt::format("differs: {} of {} at step {}, after a stop at step {}", state.differing.size(),
                     count_of(state.arrays, "array"), found.ended_at, found.stopped_at);
}

void print_state(const StateDifference& state) {
  if (!state.differing.empty()) fmt::print("  first  {}\n", tools::printable(describe_array(state.differing.front())));
  for (std::size_t i = 0; i < std::min(state.values.size(), values_shown); ++i)
    fmt::print("  value  {}\n", tools::printable(state.values[i]));
}

void print_text(const Findings& found) {
  const Verdict verdict = verdict_of(found);
  const bool exact = verdict == Verdict::exact;
  fmt::print("{}\n", tools::paint(exact ? Tone::good : Tone::bad, tools::printable(headline(found))));
  if (!exact) print_state(decisive(found));
  for (const std::string& cause : causes(found)) fmt::print("  cause  {}\n", tools::printable(cause));
  if (!exact) return;
  for (const Lost& one : suspects(found))
    fmt::print("  {}  not saved, and different at the end: {}\n", tools::paint(Tone::warning, "note"),
               tools::printable(describe(one)));
}

Json to_json(const Lost& one) {
  return {{"name", one.name}, {"kind", one.before.kind}, {"file", one.before.file}, {"line", one.before.line},
          {"function", one.before.function}, {"before", one.before.shown}, {"after", one.after.shown},
          {"differs_at_end", one.at_end}};
}

void print_as_json(const Findings& found) {
  Json variables = Json::array();
  for (const Lost& one : suspects(found)) variables.push_back(to_json(one));
  const StateDifference& state = decisive(found);
  tools::print_json({{"verdict", name(verdict_of(found))},
                     {"stopped_at", found.stopped_at},
                     {"ended_at", found.ended_at},
                     {"failure", found.failure},
                     {"arrays", state.arrays},
                     {"differing", state.differing},
                     {"values", state.values},
                     {"causes", causes(found)},
                     {"variables", variables}});
}

}  // namespace

void print_findings(const Findings& found, tools::Format format) {
  if (format == tools::Format::json) print_as_json(found);
  else print_text(found);
}

}  // namespace ckpt::verify
