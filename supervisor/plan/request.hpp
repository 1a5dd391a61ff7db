// SPDX-License-Identifier: Apache-2.0
// What the user asks of ckptplan: its command line, read and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "slurm/script.hpp"
#include "tools/json_text.hpp"

namespace ckpt::plan {

// What the preset of the site says beside what it asks for.
struct BySite {
  std::string name;   // empty: no preset
  std::string title;  // "CSC Puhti, as of 2026-08-05"
  std::optional<double> limit_seconds;
  bool picks_partition = false;
  std::string account_form;  // where an account must be named: its form
  std::string scratch, runs; // directories; empty: none is known
  std::string node_disk;     // the variable that names the node's own disk
};

struct Request {
  // The work, and what is known of it; what is absent is learned.
  std::optional<double> units;  // epochs of the whole work
  std::optional<double> unit_seconds, startup_seconds, restore_seconds, save_seconds, between_points_seconds;
  std::optional<double> limit_seconds;  // of a block
  std::uint64_t state_bytes = 0;
  std::size_t keep = 2;
  std::optional<std::uint64_t> slack_blocks;
  std::optional<std::uint64_t> blocks;  // the user's word instead of a plan

  // The job: a script of the user's with its arguments, or a command for which one is written.
  std::string run;
  std::vector<std::string> script;
  std::vector<std::string> command;
  std::vector<std::string> ckptrun_options;  // that the command is to be started with
  supervisor::slurm::Resources resources;
  std::string site;                     // of a preset; empty: found by the cluster's name
  std::optional<std::uint64_t> disk_gb; // on the node
  BySite by_site;

  // What to do with it.
  std::optional<std::uint64_t> trials;  // a sweep
  std::optional<std::uint64_t> rehearsed_units;
  std::vector<double> compared_limits;
  bool submit = false;
  bool freeze = false;
  bool lists_sites = false;
  tools::Format format = tools::Format::text;

  // What stands behind "ckptrun", its own options, and behind "--" the command.
  std::vector<std::string> ckptrun_words() const {
    std::vector<std::string> words = ckptrun_options;
    words.push_back("--");
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }
  bool has_job() const { return !script.empty() || !command.empty(); }
};

}  // namespace ckpt::plan
