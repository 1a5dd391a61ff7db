// SPDX-License-Identifier: Apache-2.0
// What the programs that take a command share in reading their command lines.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ckpt::tools {

// "Usage: ckptrun [OPTIONS] -- COMMAND [ARGUMENTS]", which CLI11 cannot know.
class Usage : public CLI::Formatter {
 public:
  explicit Usage(std::string line) : line_(std::move(line)) {}

 private:
  std::string make_usage(const CLI::App*, std::string) const override { return "Usage: " + line_ + '\n'; }
  std::string line_;
};

// "$TIME" of a variable that is not set must not mean the default.
extern const CLI::Validator not_empty;

// Seconds. CKPT_ERR_CONFIG, which names the option, for what is no duration or not above zero.
double positive_duration(const std::string& option, const std::string& text);

// {"optimizer.lr=0.01", "name=x"} -> {"optimizer.lr":0.01,"name":"x"}: values are JSON where they can be, else text; "" of
// none. CKPT_ERR_CONFIG, which names --override, for a word without '='.
std::string override_json(const std::vector<std::string>& words);

// What follows the first "--" is the command, untouched; it and the dashes are taken from the arguments.
std::vector<std::string> take_command(std::vector<std::string>& arguments);

}  // namespace ckpt::tools
