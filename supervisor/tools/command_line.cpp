// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace ckpt::tools {

const CLI::Validator not_empty(
    [](const std::string& value) {
      return std::string(value.empty() ? "the value is empty; is a variable not set?" : "");
    },
    "");

double positive_duration(const std::string& option, const std::string& text) try {
  const double seconds = parse_duration(text);
  if (seconds <= 0) fail(CKPT_ERR_CONFIG, "'{}' is no time above zero", text);
  return seconds;
} catch (const Error& error) {
  fail(CKPT_ERR_CONFIG, "{}: {}", option, error.what());
}

std::string override_json(const std::vector<std::string>& words) {
  nlohmann::json all;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos)
      fail(CKPT_ERR_CONFIG, "--override: '{}' is not KEY=VALUE, as optimizer.lr=0.01 is", word);
    const std::string value = word.substr(equals + 1);
    const auto parsed = nlohmann::json::parse(value, nullptr, false);
    all[word.substr(0, equals)] = parsed.is_discarded() ? nlohmann::json(value) : parsed;
  }
  return all.is_null() ? "" : all.dump();
}

std::vector<std::string> take_command(std::vector<std::string>& arguments) {
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (dashes == arguments.end()) return {};
  std::vector<std::string> command(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  return command;
}

}  // namespace ckpt::tools
