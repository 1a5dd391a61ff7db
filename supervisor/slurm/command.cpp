// SPDX-License-Identifier: Apache-2.0
// What goes into a command and what its answer means; running_command.cpp runs it.
#include "slurm/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/environment.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr std::size_t longest_error_line = 400;

using Prefixes = std::initializer_list<std::string_view>;

std::vector<std::string> without(std::vector<std::string> environment, Prefixes prefixes) {
  std::erase_if(environment, [&](std::string_view entry) {
    return !entry.starts_with("SLURM_CONF=") &&
           std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) { return entry.starts_with(prefix); });
  });
  return environment;
}

// "sbatch: error: text" -> "text"
std::string_view without_speaker(std::string_view line) {
  const std::size_t word_end = line.find_first_of(" :");
  if (word_end != std::string_view::npos && line.substr(word_end).starts_with(": ")) line.remove_prefix(word_end + 2);
  for (const std::string_view word : {"error: ", "fatal: ", "slurm_load_jobs error: "})
    if (line.starts_with(word)) line.remove_prefix(word.size());
  return line;
}

std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

Command question(std::vector<std::string> words) {
  auto environment = child_environment({"LC_ALL=C", "TZ=UTC0", "SLURM_TIME_FORMAT=standard", "SLURM_BITSTR_LEN=0"});
  return {std::move(words), without(std::move(environment), {"SQUEUE_", "SINFO_", "SACCT_", "SCONTROL_", "SCANCEL_"})};
}

Command submission(std::vector<std::string> words) {
  const bool in_job = !read_job_environment().id.empty();
  auto environment = without(child_environment({}), {"SBATCH_"});
  return {std::move(words), in_job ? without(std::move(environment), {"SLURM_"}) : std::move(environment)};
}

std::string error_line(const Answer& answer) {
  std::string line;
  for (std::string_view rest = answer.errors; !rest.empty() && line.size() < longest_error_line;) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = without_speaker(rest.substr(0, end));
    if (!text.empty()) line.append(line.empty() ? "" : "; ").append(text);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return printable(line.substr(0, longest_error_line));
}

std::string describe(const Command& command, const Answer& answer) {
  const std::string& name = command.words.front();
  const std::string reason = error_line(answer);
  switch (answer.ending) {
    case Ending::succeeded: return fmt::format("{} answered", name);
    case Ending::missing: return fmt::format("{} is not in PATH", name);
    case Ending::timed_out:
      if (answer.seconds == 0) return fmt::format("no time was left to ask {}", name);
      return fmt::format("{} gave no answer within {}", name, format_duration(answer.seconds));
    case Ending::failed: break;
  }
  return fmt::format("{} failed ({}){}{}", name, answer.exit_code, reason.empty() ? "" : ": ", reason);
}

bool is_transient(const Answer& answer) {
  if (answer.ending != Ending::failed) return answer.ending == Ending::timed_out;
  constexpr std::array texts = {
      "Unable to contact slurm controller", "Socket timed out", "Zero Bytes were transmitted", "standby mode",
      "temporarily", "Connection refused", "Connection timed out", "Connection reset", "No route to host",
      "Network is unreachable", "ommunication connection failure", "authentication", "Munge", "try again"};
  const auto said = [&](const char* text) { return answer.errors.find(text) != std::string::npos; };
  return answer.errors.empty() || std::any_of(texts.begin(), texts.end(), said);
}

}  // namespace ckpt::supervisor::slurm
