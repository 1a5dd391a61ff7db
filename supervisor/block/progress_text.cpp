// SPDX-License-Identifier: Apache-2.0
#include "block/progress_text.hpp"

#include <cmath>
#include <cstdlib>

#include "base/error.hpp"

namespace ckpt::supervisor {
namespace {

constexpr std::size_t longest_line = 1000;  // std::regex needs stack for each character

struct BuiltIn {
  const char *name, *expression, *unit;
  std::optional<int> first;  // the number of the first one, where it is told as it begins
};
constexpr BuiltIn built_in[] = {
    {"keras", R"(^Epoch (?<done>\d+)/(?<total>\d+))", "epoch", 1},
    {"lightning", R"(Epoch (?<done>\d+)(?:/(?<total>\d+))?\b)", "epoch", 0},  // "Epoch 9/9" is the tenth
    {"huggingface", R"('epoch': '?(?<done>\d+(?:\.\d+)?))", "epoch", {}},
    {"tqdm", R"(\d+%\|.*\| (?<done>\d+)/(?<total>\d+) \[)", "step", {}},
};

// std::regex has no names for groups: "(?<done>…)" and Python's "(?P<done>…)" become plain groups. Returns which one; 0:
// none.
std::size_t take_name(std::string& expression, const std::string& name) {
  for (const std::string& begin : {"(?<" + name + ">", "(?P<" + name + ">"}) {
    const std::size_t at = expression.find(begin);
    if (at == std::string::npos) continue;
    std::size_t group = 1;
    for (std::size_t i = 0; i < at; ++i)
      if (expression[i] == '(' && (i == 0 || expression[i - 1] != '\\') &&
          (expression[i + 1] != '?' || expression[i + 2] == '<' || expression[i + 2] == 'P'))
        ++group;
    expression.replace(at, begin.size(), "(");
    return group;
  }
  return 0;
}

}  // namespace

ProgressText::ProgressText(const std::string& wish) try {
  std::string expression = wish;
  for (const BuiltIn& known : built_in) {
    if (wish != known.name) continue;
    expression = known.expression;
    unit_ = known.unit;
    first_ = known.first;
  }
  done_group_ = take_name(expression, "done");
  total_group_ = take_name(expression, "total");
  if (done_group_ == 0)
    fail(CKPT_ERR_CONFIG,
         "--progress '{}': it is keras, lightning, huggingface, tqdm, or a regular expression with a group (?<done>…)",
         wish);
  expression_ = std::regex(expression, std::regex::ECMAScript | std::regex::optimize);
} catch (const std::regex_error& error) {
  fail(CKPT_ERR_CONFIG, "--progress '{}' is no regular expression: {}", wish, error.what());
}

std::optional<Progress> ProgressText::take(std::span<const std::byte> printed) {
  std::optional<Progress> newest;
  for (const std::byte byte : printed) {
    const char c = static_cast<char>(byte);
    if (c != '\n' && c != '\r') {
      if (line_.size() < longest_line) line_ += c;
      continue;
    }
    if (const auto progress = look(line_)) newest = progress;
    line_.clear();
  }
  return newest;
}

std::optional<Progress> ProgressText::look(const std::string& line) const {
  std::smatch groups;
  if (line.empty() || !std::regex_search(line, groups, expression_)) return std::nullopt;
  const auto number = [&](std::size_t group, int less) {
    return group == 0 || !groups[group].matched ? 0 : std::strtod(groups[group].str().c_str(), nullptr) - less;
  };
  Progress progress{number(done_group_, first_.value_or(0)), number(total_group_, first_.value_or(1) - 1), unit_};
  if (!std::isfinite(progress.done) || !std::isfinite(progress.total) || progress.done < 0) return std::nullopt;
  return progress;
}

}  // namespace ckpt::supervisor
