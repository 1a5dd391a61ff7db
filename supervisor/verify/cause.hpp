// SPDX-License-Identifier: Apache-2.0
// From what was found to a verdict and its likely causes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "verify/record.hpp"
#include "verify/state.hpp"

namespace ckpt::verify {

struct Findings {
  std::uint64_t stopped_at = 0, ended_at = 0;          // steps
  std::optional<std::uint64_t> straight_ended_at;      // where that is another step
  std::string failure;                                 // why the resumed start did not come through; empty: it did
  StateDifference at_stop;                             // of the straight run and the one that is resumed, before its stop
  StateDifference at_end;
  std::optional<StateDifference> again;                // of two straight runs, at their ends
  Record straight, resumed, straight_again;
};

enum class Verdict { exact, differs, not_deterministic, does_not_resume };
const char* name(Verdict verdict) noexcept;
Verdict verdict_of(const Findings& found);

// Variables that a person should know of: likely causes, or, where the state is the same, what is lost beside it.
std::vector<Lost> suspects(const Findings& found);
// One line each, the likeliest first. Empty when the state is the same.
std::vector<std::string> causes(const Findings& found);
// "seen (train.py:14, in main): 5 at the stop, 0 after it: put it into run.vars"
std::string describe(const Lost& variable);

}  // namespace ckpt::verify
