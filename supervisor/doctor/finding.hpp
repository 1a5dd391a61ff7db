// SPDX-License-Identifier: Apache-2.0
// What the doctor has to say about one thing.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ckpt::supervisor::doctor {

enum class Verdict {
  good,
  warning,    // something will go wrong, or be lost, unless a person acts: then there is a remedy
  unknown,    // could not be asked or tried; the text says why
};
const char* name(Verdict verdict) noexcept;

struct Finding {
  std::string subject;   // "signals without exec"
  Verdict verdict = Verdict::unknown;
  std::string text;      // one line
  std::string remedy;    // of a warning
};
using Findings = std::vector<Finding>;

inline Finding good(std::string subject, std::string text) { return {std::move(subject), Verdict::good, std::move(text), {}}; }
inline Finding warning(std::string subject, std::string text, std::string remedy) {
  return {std::move(subject), Verdict::warning, std::move(text), std::move(remedy)};
}
inline Finding unknown(std::string subject, std::string text) {
  return {std::move(subject), Verdict::unknown, std::move(text), {}};
}

}  // namespace ckpt::supervisor::doctor
