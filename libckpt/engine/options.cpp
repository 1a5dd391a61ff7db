// SPDX-License-Identifier: Apache-2.0
#include "engine/options.hpp"

#include <functional>
#include <utility>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"

namespace ckpt::engine {
namespace {

bool parse_switch(const std::string& value) {
  if (value == "on" || value == "1") return true;
  if (value == "off" || value == "0") return false;
  fail(CKPT_ERR_CONFIG, "'{}' is neither on nor off", value);
}

std::uint64_t parse_count(const std::string& value, std::uint64_t least, std::uint64_t most) {
  std::size_t used = 0;
  std::uint64_t count = 0;
  try {
    count = std::stoull(value, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != value.size() || value.front() == '-' || count < least || count > most)
    fail(CKPT_ERR_CONFIG, "'{}' is no number from {} to {}", value, least, most);
  return count;
}

double parse_positive_duration(const std::string& value) {
  const double seconds = parse_duration(value);
  if (seconds <= 0) fail(CKPT_ERR_CONFIG, "'{}' is no time above zero", value);
  return seconds;
}

constexpr std::uint64_t most_steps = 1'000'000'000'000;

using Setter = std::function<void(const std::string&, Options&)>;

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> table = {
      {"directory", [](const std::string& v, Options& o) { o.directory = replace_variables(v); }},
      {"block_time", [](const std::string& v, Options& o) { o.block_seconds = parse_positive_duration(v); }},
      {"save_interval",
       [](const std::string& v, Options& o) {
         o.save_interval_seconds = v == "auto" ? std::nullopt : std::optional(parse_positive_duration(v));
       }},
      {"mtbf", [](const std::string& v, Options& o) { o.mean_time_between_failures = parse_positive_duration(v); }},
      {"keep", [](const std::string& v, Options& o) { o.keep = parse_count(v, 1, 1'000'000); }},
      {"staging_size", [](const std::string& v, Options& o) { o.staging_bytes = parse_size(v); }},
      {"wait", [](const std::string& v, Options& o) { o.wait_for_previous = parse_switch(v); }},
      {"signals", [](const std::string& v, Options& o) { o.handle_signals = parse_switch(v); }},
      {"allow_volatile", [](const std::string& v, Options& o) { o.allow_volatile = parse_switch(v); }},
      {"save_after_steps", [](const std::string& v, Options& o) { o.save_after_steps = parse_count(v, 1, most_steps); }},
      {"stop_after_steps", [](const std::string& v, Options& o) { o.stop_after_steps = parse_count(v, 1, most_steps); }},
      {"threads", [](const std::string& v, Options& o) { o.threads = static_cast<unsigned>(parse_count(v, 1, 1024)); }},
  };
  return table;
}

void set(const std::string& key, const std::string& value, Options& options) {
  const auto setter = setters().find(key);
  if (setter == setters().end())
    fail(CKPT_ERR_CONFIG, "no configuration key '{}'; see ckpt_config in ckpt.h for those there are", key);
  try {
    setter->second(value, options);
  } catch (const Error& error) {
    fail(CKPT_ERR_CONFIG, "configuration key '{}': {}", key, error.what());
  }
}

}  // namespace

void check_option(const std::string& key, const std::string& value) {
  Options scratch;
  set(key, value, scratch);
}

Options read_environment_options() {
  Options options;
  const RunEnvironment environment = read_run_environment();
  options.directory = environment.run_directory;
  if (!environment.staging_size.empty()) set("staging_size", environment.staging_size, options);
  return options;
}

void apply(const ConfigMap& config, Options& options) {
  for (const auto& [key, value] : config) set(key, value, options);
}

}  // namespace ckpt::engine
