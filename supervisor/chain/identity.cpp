// SPDX-License-Identifier: Apache-2.0
#include "chain/identity.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/working_directory.hpp"
#include "io/file_system.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

namespace fs = std::filesystem;
constexpr const char* folder_of_runs = "ckpt-runs";
constexpr std::size_t shortest_value = 3;

bool is_path(const std::string& text) {
  if (text.front() == '/' || text.front() == '.' || text.starts_with(folder_of_runs + std::string("/"))) return true;
  std::error_code ignored;
  return text.find('/') != std::string::npos && fs::is_directory(text, ignored);
}

bool is_token_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool stands_alone(const std::string& word, std::size_t at, std::size_t length) {
  const bool free_before = at == 0 || !is_token_character(word[at - 1]);
  const bool free_after = at + length == word.size() || !is_token_character(word[at + length]);
  return free_before && free_after;
}

std::string replace_value(std::string word, const std::string& value, const std::string& name) {
  for (std::size_t at = word.find(value); at != std::string::npos; at = word.find(value, at)) {
    if (stands_alone(word, at, value.size())) {
      word.replace(at, value.size(), name);
      at += name.size();
    } else {
      ++at;
    }
  }
  return word;
}

// What salloc, srun and sbatch call a job that nobody named.
constexpr std::string_view names_by_habit[] = {"interactive", "wrap", "bash", "sh", "zsh"};
// sbatch names a job after its script, ending included.
constexpr std::string_view script_endings[] = {".sh", ".bash", ".sbatch", ".slurm", ".job"};

std::string run_name_of(std::string job_name) {
  std::replace(job_name.begin(), job_name.end(), '/', '-');
  for (const std::string_view ending : script_endings)
    if (job_name.ends_with(ending)) return job_name.substr(0, job_name.size() - ending.size());
  return job_name;
}

bool is_plain_name(const std::string& name) { return !name.empty() && name != "." && name != ".."; }

RunIdentity named_run(const std::string& name, const std::string& after) {
  return {name, absolute_path(fs::path(folder_of_runs) / name), after};
}

// Braces stay as they are: {CKPT_RUN} stands for a value, {resume} for a path.
std::string quote(const std::string& word) {
  return is_plain_word(replaced(replaced(word, "{", "_"), "}", "_")) ? word : shell_word(word);
}

std::string name_whatever_files_there_are(const std::vector<std::string>& command) {
  for (std::size_t i = 1; i + 1 < command.size(); ++i)
    if (command[i] == "-m") return command[i + 1];
  return fs::path(command.front()).filename();
}

bool was_started_with(const RunIdentity& run, const std::vector<std::string>& command) try {
  const auto record = rundir::read_run_record(io::file_system(), rundir::Layout(run.directory));
  return record && !record->command.empty() && !command_difference(record->command, replace_values(command, changing_values()));
} catch (const Error&) {   // whoever goes on with it is told
  return false;
}

}  // namespace

std::string default_run_name(const std::vector<std::string>& command) {
  std::error_code ignored;
  for (std::size_t i = 1; i < command.size(); ++i)
    if (fs::is_regular_file(command[i], ignored)) return fs::path(command[i]).stem();
  return name_whatever_files_there_are(command);
}

RunIdentity identify_run(const std::string& given) {
  std::string text = replace_variables(given);
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  if (is_path(text)) {
    const fs::path path = fs::path(absolute_path(text)).lexically_normal();
    const std::string name = path.has_filename() ? path.filename() : path.parent_path().filename();
    if (name.empty()) fail(CKPT_ERR_CONFIG, "--run '{}': the root directory is no place for a run", given);
    return {name, path, "--run"};
  }
  return named_run(fs::path(text).lexically_normal(), "--run");
}

RunIdentity identify_run_of_command(const std::vector<std::string>& command) {
  const std::string name = default_run_name(command);
  if (!is_plain_name(name))
    fail(CKPT_ERR_CONFIG, "no name for this run follows from '{}'; give one with --run NAME", join_command(command));
  const RunIdentity run = named_run(name, "the command");
  // A file that the program has written since must not make another run of it, which would begin from zero.
  const std::string before = name_whatever_files_there_are(command);
  std::error_code ignored;
  if (before == name || !is_plain_name(before) || fs::exists(run.directory, ignored)) return run;
  const RunIdentity begun = named_run(before, "the command");
  return was_started_with(begun, command) ? begun : run;
}

RunIdentity identify_chain_of_job(const JobEnvironment& job, const std::vector<std::string>& command) {
  const std::string name = run_name_of(job.name);
  const bool habit = std::find(std::begin(names_by_habit), std::end(names_by_habit), name) != std::end(names_by_habit);
  return habit || !is_plain_name(name) ? identify_run_of_command(command) : named_run(name, "the job");
}

RunIdentity identify_run_of_job(const JobEnvironment& job, const std::optional<bool>& is_chain,
                                const std::vector<std::string>& command) {
  const RunIdentity whole = identify_chain_of_job(job, command);
  if (job.array_task.empty()) return whole;
  const RunIdentity trial = named_run(whole.name + '/' + job.array_task, "the job and its task, a trial of a sweep");
  if (is_chain) return *is_chain ? whole : trial;
  std::error_code ignored;
  if (fs::is_directory(trial.directory, ignored)) return trial;
  if (fs::is_directory(whole.directory + "/snapshots", ignored)) return whole;
  fail(CKPT_ERR_CONFIG, "whether array {} is a chain (--array=1-N%1) or a sweep cannot be asked now, so this run has no "
       "name; name it: --run {} for a chain, --run {} for a sweep", job.array_id, shell_word(whole.name),
       shell_word(whole.name + "/{SLURM_ARRAY_TASK_ID}"));
}

std::vector<std::pair<std::string, std::string>> changing_values() {
  std::vector<std::pair<std::string, std::string>> values;
  const JobEnvironment job = read_job_environment();
  for (const auto& [value, name] : {std::pair{job.id, "{job}"}, {job.array_id, "{array}"}, {job.array_task, "{task}"}})
    if (!value.empty()) values.emplace_back(value, name);
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (text.substr(0, 5) != "CKPT_" || equals == std::string_view::npos || equals + 1 == text.size()) continue;
    values.emplace_back(text.substr(equals + 1), "{" + std::string(text.substr(0, equals)) + "}");
  }
  // Longest first, so that a directory is not replaced piecemeal by the name of the run inside it.
  std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a.second < b.second;
  });
  return values;
}

std::vector<std::string> replace_values(std::vector<std::string> words,
                                        const std::vector<std::pair<std::string, std::string>>& values) {
  for (auto& word : words)
    for (const auto& [value, name] : values)
      if (value.size() >= shortest_value) word = replace_value(std::move(word), value, name);
  return words;
}

// Without the words both begin and end with: what is left shows an insertion as an insertion.
std::optional<std::string> command_difference(const std::vector<std::string>& before,
                                              const std::vector<std::string>& now) {
  if (before == now) return std::nullopt;
  const auto [old_from, new_from] = std::mismatch(before.begin(), before.end(), now.begin(), now.end());
  const auto [old_end, new_end] =
      std::mismatch(before.rbegin(), std::make_reverse_iterator(old_from), now.rbegin(), std::make_reverse_iterator(new_from));
  const std::string was = join_command({old_from, old_end.base()}), is = join_command({new_from, new_end.base()});
  const std::size_t first = static_cast<std::size_t>(old_from - before.begin()) + 1;
  if (was.empty()) return fmt::format("new at word {}: {}", first, is);
  if (is.empty()) return fmt::format("gone from word {}: {}", first, was);
  return fmt::format("word {} was {}, now {}", first, was, is);
}

std::string join_command(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + quote(word);
  return line;
}

}  // namespace ckpt::supervisor
