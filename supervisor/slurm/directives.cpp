// SPDX-License-Identifier: Apache-2.0
#include "slurm/directives.hpp"

#include <algorithm>
#include <vector>

#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {
namespace {

std::string long_name(std::string_view option) {
  struct Name {
    char letter;
    const char* name;
  };
  constexpr Name names[] = {{'a', "array"},  {'A', "account"},  {'c', "cpus-per-task"}, {'D', "chdir"},
                            {'J', "job-name"}, {'n', "ntasks"}, {'N', "nodes"},         {'o', "output"},
                            {'p', "partition"}, {'q', "qos"},   {'t', "time"}};
  for (const Name& one : names)
    if (option == std::string_view(&one.letter, 1)) return one.name;
  return std::string(option);
}

// "--time=1-0", "--time 1-0", "-t 1-0", "-t1-0", "--requeue"
void take_options(const std::vector<std::string>& words, std::map<std::string, std::string>& found) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word.starts_with('#')) return;  // a comment behind them
    if (word.size() < 2 || word[0] != '-') continue;
    const bool is_long = word[1] == '-';
    const std::size_t equals = is_long ? word.find('=') : std::string_view::npos;
    std::string name =
        long_name(is_long ? word.substr(2, equals == std::string_view::npos ? equals : equals - 2) : word.substr(1, 1));
    std::string_view value =
        is_long ? (equals == std::string_view::npos ? "" : word.substr(equals + 1)) : word.substr(2);
    const bool value_follows =
        value.empty() && i + 1 < words.size() && !words[i + 1].starts_with('-') && !words[i + 1].starts_with('#');
    found[name] = value_follows ? words[++i] : std::string(value);
  }
}

// "2>&1", "&>log"
bool is_redirection(std::string_view line, std::size_t at) {
  return line[at] == '&' && ((at > 0 && line[at - 1] == '>') || line.substr(at + 1).starts_with('>'));
}

bool begins_comment(std::string_view line, std::size_t at) {
  return line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t');
}

}  // namespace

std::vector<std::string> command_lines(std::string_view script) {
  std::vector<std::string> lines(1);
  for (const std::string_view line : lines_of(script)) {
    const std::string_view text = trim(line);
    if (lines.back().empty() && text.starts_with('#')) continue;
    const bool goes_on = text.ends_with('\\');
    lines.back() += std::string(goes_on ? text.substr(0, text.size() - 1) : text) + ' ';
    if (!goes_on) lines.emplace_back();
  }
  return lines;
}

std::vector<std::vector<std::string>> shell_commands(std::string_view line) {
  constexpr std::string_view operators = ";&|()";
  std::vector<std::vector<std::string>> commands;
  std::size_t begin = 0, at = 0;
  for (char quote = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (begins_comment(line, at)) {
      break;
    } else if (operators.find(c) != std::string_view::npos && !is_redirection(line, at)) {
      commands.push_back(shell_words(line.substr(begin, at - begin)));
      begin = at + 1;
    }
  }
  commands.push_back(shell_words(line.substr(begin, at - begin)));
  std::erase_if(commands, [](const auto& words) { return words.empty(); });
  return commands;
}

std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  char quote = 0;
  bool in_word = false;
  for (const char c : line) {
    const bool blank = quote == 0 && (c == ' ' || c == '\t');
    if (!blank && !in_word) words.emplace_back();
    in_word = !blank;
    if (blank) continue;
    if (quote == 0 && (c == '"' || c == '\''))
      quote = c;
    else if (c == quote)
      quote = 0;
    else
      words.back() += c;
  }
  return words;
}

std::map<std::string, std::string> long_options(const std::vector<std::string>& words) {
  std::map<std::string, std::string> found;
  take_options(words, found);
  return found;
}

bool is_launcher(const std::string& word) {
  if (word.find('=') != std::string::npos) return false;  // a variable's value
  constexpr std::string_view launchers[] = {"srun", "mpirun", "mpiexec", "prterun", "torchrun"};
  return std::find(std::begin(launchers), std::end(launchers), word.substr(word.rfind('/') + 1)) != std::end(launchers);
}

std::string run_option(Word word, Word end) {
  for (; word != end && *word != "--"; ++word) {
    const bool has_value = word + 1 != end;
    if ((*word == "-r" || *word == "--run") && has_value) return *(word + 1);
    if (word->starts_with("--run=")) return word->substr(6);
    if (word->starts_with("-r") && word->size() > 2) return word->substr(2);
    if (*word == "--resume-args" && has_value) ++word;  // "-r {resume}" is the program's
  }
  return {};
}

std::map<std::string, std::string> directives(std::string_view script) {
  constexpr std::string_view mark = "#SBATCH";
  std::map<std::string, std::string> found;
  for (const std::string_view line : lines_of(script)) {
    const std::string_view words = trim(line);
    if (!words.empty() && words.front() != '#') break;  // its first command: sbatch reads no further
    if (line.starts_with(mark)) take_options(shell_words(line.substr(mark.size())), found);
  }
  return found;
}

}  // namespace ckpt::supervisor::slurm
