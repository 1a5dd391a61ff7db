// SPDX-License-Identifier: Apache-2.0
#include "slurm/submit.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "block/child.hpp"
#include "slurm/refusal.hpp"
#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {
namespace {

std::vector<std::string> submit_words(const JobOptions& options, const std::string& script,
                                      const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"sbatch"};
  words.insert(words.end(), options.begin(), options.end());
  words.push_back(script);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

// "4711" or "4711;cluster", on a line of its own: sites' plug-ins print on stdout as well.
bool take_id(std::string_view line, Submitted& submitted) {
  const auto parts = split(trim(line), ';');
  if (parts.size() > 2 || !parse_number(parts[0])) return false;
  submitted.job_id = parts[0];
  if (parts.size() == 2) submitted.cluster = parts[1];
  return true;
}

// The request may have arrived although its answer was lost.
bool may_have_arrived(const Answer& answer) {
  if (answer.ok() || answer.ending == Ending::timed_out) return true;
  constexpr std::array texts = {"imed out", "Zero Bytes", "Connection reset", "ommunication"};
  return std::any_of(texts.begin(), texts.end(),
                     [&](const char* text) { return answer.errors.find(text) != std::string::npos; });
}

}  // namespace

std::string Submitted::why_not() const { return (refused ? "nothing was submitted: " : "") + said; }

Submitted submit_job(Clock& clock, const JobOptions& options, const std::string& script,
                     const std::vector<std::string>& arguments, const std::string& directory,
                     const Attempts& attempts) {
  JobOptions all = options;
  all.insert(all.begin(), "--parsable");
  Command command = submission(submit_words(all, script, arguments));
  command.directory = directory;
  const Answer answer = run(clock, command, attempts);
  Submitted submitted;
  if (answer.ok())
    for (const std::string_view line : lines_of(answer.output)) take_id(line, submitted);
  submitted.refused = !submitted.ok() && !may_have_arrived(answer);
  if (submitted.ok()) submitted.said = error_line(answer);
  else if (answer.ok()) submitted.said = "sbatch told no job number; squeue --me shows whether it was sent";
  else submitted.said = with_remedy(describe(command, answer));
  return submitted;
}

std::string no_way_to_submit() {
  return find_program("sbatch").error_exit_code == 0 ? "" : "sbatch is not in PATH";
}

std::string submit_line(const JobOptions& options, const std::string& script,
                        const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& word : submit_words(options, script, arguments))
    line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

std::string cancel_line(const std::vector<std::string>& job_ids) {
  std::string line = "scancel";
  for (const std::string& id : job_ids) line += ' ' + id;
  return line;
}

}  // namespace ckpt::supervisor::slurm
