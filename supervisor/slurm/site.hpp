// SPDX-License-Identifier: Apache-2.0
// What this site's Slurm allows and does to jobs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "slurm/command.hpp"

namespace ckpt::supervisor::slurm {

// `scontrol show config`, the part on cgroups included.
class Configuration {
 public:
  explicit Configuration(std::string_view text);

  bool empty() const noexcept { return settings_.empty(); }
  std::string value(const std::string& key) const;                       // "" when absent or "(null)"
  bool lists(const std::string& key, std::string_view word) const;       // one of its comma-separated words, any case
  std::optional<double> seconds(const std::string& key) const;           // "5 sec"; infinity: UNLIMITED
  std::optional<std::uint64_t> number(const std::string& key) const;
  std::optional<bool> flag(const std::string& key) const;                // 1 and yes; 0 and no

  std::string cluster() const { return value("ClusterName"); }
  std::string version() const { return value("SLURM_VERSION"); }
  std::optional<std::uint64_t> highest_array_index() const;              // MaxArraySize is one more
  // A limit above the partition's is rejected at once; otherwise such a job stays pending for ever.
  bool rejects_long_limits() const;
  std::optional<double> clock_seconds() const { return clock_; }         // of the controller, as it answered

 private:
  std::map<std::string, std::string, std::less<>> settings_;
  std::optional<double> clock_;
};

struct Partition {
  std::string name, state, nodes, preempt_mode;
  std::string resources;                                                 // "cpu=16,mem=32000M,node=2,…" of all nodes
  bool is_default = false;
  std::optional<double> limit_seconds;                                   // infinity: none
  std::optional<double> default_seconds;                                 // absent: the limit
  std::optional<double> grace_seconds, over_time_limit_seconds;          // the latter: absent: the site's
  std::optional<std::uint64_t> node_count, cpu_count;
  bool is_up() const { return state == "UP"; }
};

// Nodes of one partition that are alike, by sinfo.
struct NodeGroup {
  std::string partition, state, nodes, gres;                             // gres: "gpu:v100:4,nvme:1000", of each
  std::uint64_t count = 0;
  std::optional<std::uint64_t> cpus, memory_bytes;                       // of each; of the smallest
};

std::vector<Partition> parse_partitions(std::string_view text);
std::vector<NodeGroup> parse_node_groups(std::string_view text);

struct Site {
  Configuration configuration{""};
  std::vector<Partition> partitions;
  std::vector<NodeGroup> nodes;
  // The controller's clock minus ours, where more than its resolution of a second; absent: not told.
  std::optional<double> clock_skew_seconds;
  std::string why_not;                                                   // one line, when something was not answered

  const Partition* partition(std::string_view name) const;               // "": the default one; nullptr: none
  const Partition* longest() const;                                      // that is up and allows most; nullptr: none
};
Site ask_site(Clock& clock, const Attempts& attempts = {});

// From an answer to `scontrol show config`, asked and answered at these times of our wall clock.
std::optional<double> clock_skew(const Configuration& configuration, double asked, double answered);

}  // namespace ckpt::supervisor::slurm
