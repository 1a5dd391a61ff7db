// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/policy.hpp"

namespace ckpt::engine {

using ConfigMap = std::map<std::string, std::string>;

// What can be configured, parsed. The keys are documented at ckpt_config in ckpt.h.
struct Options {
  std::string directory;                         // empty: inert
  double block_seconds = no_limit;
  std::optional<double> save_interval_seconds;   // nullopt: by policy
  double mean_time_between_failures = 86400;
  std::uint64_t keep = 2;
  std::optional<std::uint64_t> staging_bytes;    // nullopt: as much as fits
  bool wait_for_previous = true;
  bool handle_signals = true;
  bool allow_volatile = false;
  std::uint64_t save_after_steps = 0;            // of this program, counted at its points; 0: never
  std::uint64_t stop_after_steps = 0;
  unsigned threads = 0;                          // 0: what the job's CPUs allow
};

// CKPT_ERR_CONFIG names the key and what it accepts. Used to refuse a bad value where it is set.
void check_option(const std::string& key, const std::string& value);

Options read_environment_options();
void apply(const ConfigMap& config, Options& options);

}  // namespace ckpt::engine
