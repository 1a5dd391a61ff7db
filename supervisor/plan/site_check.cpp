// SPDX-License-Identifier: Apache-2.0
#include "plan/site_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

#include "base/quantity.hpp"

namespace ckpt::plan {
namespace {

using namespace supervisor::slurm;

// Names of the partitions that are so, for people.
std::string names(const Site& site, const std::function<bool(const Partition&)>& is_so) {
  std::vector<std::string> found;
  for (const Partition& partition : site.partitions)
    if (is_so(partition)) found.push_back(partition.name);
  return found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", "));
}

std::string no_such_partition(const Site& site, const std::string& name) {
  const std::string there = names(site, [](const Partition&) { return true; });
  if (name.empty())
    return fmt::format("this site has no default partition: name one (--partition; there are {})", there);
  return fmt::format("there is no partition '{}': name another (--partition; there are {})", name, there);
}

std::string not_up(const Site& site, const Partition& partition) {
  return fmt::format("partition {} is {}, where jobs would wait: name another (--partition; up are {})", partition.name,
                     partition.state, names(site, [](const Partition& one) { return one.is_up(); }));
}

std::string too_long(const Site& site, const Partition& partition, double limit_seconds) {
  const std::string others =
      names(site, [&](const Partition& one) { return one.limit_seconds.value_or(0) >= limit_seconds; });
  return fmt::format(
      "a block of {} is longer than partition {} allows ({}), {}: plan shorter blocks (--limit), or name "
      "another partition (long enough: {})",
      format_duration(limit_seconds), partition.name, format_duration(*partition.limit_seconds),
      site.configuration.rejects_long_limits() ? "and would be rejected" : "and would wait for ever", others);
}

// Where the site picks the partition itself.
std::string longer_than_all(const Site& site, double limit_seconds) {
  const Partition* longest = site.longest();
  if (!longest || limit_seconds <= longest->limit_seconds.value_or(limit_seconds)) return {};
  return fmt::format("a block of {} is longer than any partition here allows (at most {}): plan shorter blocks (--limit)",
                     format_duration(limit_seconds), format_duration(*longest->limit_seconds));
}

std::string too_many_tasks(const Wish& wish, std::uint64_t highest) {
  if (highest == 0) return "this site allows no job arrays (MaxArraySize), which a chain is: ask its administrators";
  if (wish.are_trials)
    return fmt::format(
        "an array of {} is more than one may have here ({}, MaxArraySize less one): send them as several sweeps "
        "(--sweep {}, each with a -r of its own)",
        count_of(wish.array_tasks, "trial"), highest, highest);
  return fmt::format(
      "an array of {} is more than one may have here ({}, MaxArraySize less one): plan longer blocks "
      "(--limit), or fewer of them now (--blocks {})",
      count_of(wish.array_tasks, "task"), highest, highest);
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// A bare number is MiB to Slurm. What is not understood is its business.
std::optional<std::uint64_t> memory_bytes(const std::string& text) try {
  if (text.empty()) return std::nullopt;
  const bool bare = number(text).has_value();
  return parse_size(bare ? text + "M" : text);
} catch (const std::exception&) {
  return std::nullopt;
}

// The largest of what the nodes of a partition have; nullopt when that of one is not known.
template <class Value>
std::optional<std::uint64_t> most_of_a_node(const Site& site, const std::string& partition, Value value) {
  std::optional<std::uint64_t> most;
  for (const NodeGroup& group : site.nodes) {
    if (group.partition != partition) continue;
    const std::optional<std::uint64_t> here = value(group);
    if (!here) return std::nullopt;
    most = std::max(most.value_or(0), *here);
  }
  return most;
}

std::string beyond_every_node(const Site& site, const Partition& partition, const Wish& wish) {
  const auto cpus = number(wish.cpus);
  const auto most_cpus = most_of_a_node(site, partition.name, [](const NodeGroup& group) { return group.cpus; });
  if (cpus && most_cpus && *cpus > *most_cpus)
    return fmt::format("no node of partition {} has {} CPUs (at most {}): ask for fewer (--cpus)", partition.name,
                       *cpus, *most_cpus);
  const auto bytes = memory_bytes(wish.memory);
  const auto most_bytes =
      most_of_a_node(site, partition.name, [](const NodeGroup& group) { return group.memory_bytes; });
  if (bytes && most_bytes && *bytes > *most_bytes)
    return fmt::format("no node of partition {} has {} of memory (at most {}): ask for less (--mem)", partition.name,
                       format_size(*bytes), format_size(*most_bytes));
  const auto gpus = most_of_a_node(site, partition.name, [](const NodeGroup& group) {
    return std::optional<std::uint64_t>(group.gres.find("gpu") != std::string::npos);
  });
  if (!wish.gpus.empty() && wish.gpus != "0" && gpus == 0)
    return fmt::format("no node of partition {} has a GPU: name another partition (--partition)", partition.name);
  return {};
}

// With EnforcePartLimits=NO such a job is taken, and waits for ever.
std::string beyond_partition(const Partition& partition, const Wish& wish) {
  const auto nodes = number(wish.nodes.substr(0, wish.nodes.find('-')));   // "2-4": at least
  if (nodes && partition.node_count && *nodes > *partition.node_count)
    return fmt::format("partition {} has {} nodes, and the job asks for {}: ask for fewer (--nodes)", partition.name,
                       *partition.node_count, *nodes);
  const std::uint64_t on_each = nodes.value_or(1) * number(wish.tasks_per_node).value_or(0);
  const std::uint64_t tasks = number(wish.tasks).value_or(on_each);
  const std::uint64_t cpus = number(wish.cpus).value_or(1);
  if (partition.cpu_count && tasks * cpus > *partition.cpu_count)
    return fmt::format("partition {} has {} CPUs, and the job asks for {} tasks{}: ask for fewer (--ntasks)",
                       partition.name, *partition.cpu_count, tasks, cpus > 1 ? fmt::format(" of {} CPUs", cpus) : "");
  return {};
}

// The set with the widest limit of those that a job may have; nullptr when one of them has none.
using Limit = std::function<std::optional<double>(const LimitSet&)>;
const LimitSet* widest(const std::vector<LimitSet>& sets, const std::string& named, const Limit& limit) {
  const LimitSet* found = nullptr;
  for (const LimitSet& set : sets) {
    if (!named.empty() && !set.name.ends_with(' ' + named)) continue;
    if (!limit(set)) return nullptr;
    if (!found || *limit(set) > *limit(*found)) found = &set;
  }
  return found;
}

std::optional<double> most_submitted(const LimitSet& set) {
  return set.max_submitted ? std::optional(static_cast<double>(*set.max_submitted)) : std::nullopt;
}

const LimitSet* longest_of(const std::vector<LimitSet>& sets, const std::string& named) {
  return widest(sets, named, [](const LimitSet& set) { return set.longest_seconds; });
}

std::string beyond_account(const std::vector<LimitSet>& sets, const std::string& named, const Wish& wish) {
  const LimitSet* longest = longest_of(sets, named);
  if (longest && wish.limit_seconds > *longest->longest_seconds)
    return fmt::format(
        "a block of {} is longer than {} allows you ({}), and would be rejected or wait for ever: plan "
        "shorter blocks (--limit)",
        format_duration(wish.limit_seconds), longest->name, format_duration(*longest->longest_seconds));
  const LimitSet* most = widest(sets, named, most_submitted);
  if (most && static_cast<double>(wish.jobs) > *most_submitted(*most))
    return fmt::format(
        "{} at once is more than {} lets you submit ({}): plan longer blocks (--limit), or fewer of "
        "them now (--blocks)",
        count_of(wish.jobs, "job"), most->name, *most->max_submitted);
  return {};
}

}  // namespace

std::string objection(const AccountLimits& limits, const Wish& wish) {
  const std::string by_account = beyond_account(limits.associations, wish.account, wish);
  return by_account.empty() ? beyond_account(limits.qos, wish.qos, wish) : by_account;
}

const LimitSet* shortest_allowed(const AccountLimits& limits, const std::string& account, const std::string& qos) {
  const LimitSet* one = longest_of(limits.associations, account);
  const LimitSet* other = longest_of(limits.qos, qos);
  if (!one || !other) return one ? one : other;
  return *one->longest_seconds < *other->longest_seconds ? one : other;
}

std::string objection(const Site& site, const Wish& wish) {
  const Partition* partition = site.partition(wish.partition);
  const bool picked = wish.partition.empty() && wish.site_picks_partition;
  const bool several = wish.partition.find(',') != std::string::npos;  // "a,b": whichever is first
  if (picked) {
    if (std::string longer = longer_than_all(site, wish.limit_seconds); !longer.empty()) return longer;
  } else if (!several) {
    if (!partition) return no_such_partition(site, wish.partition);
    if (!partition->is_up()) return not_up(site, *partition);
    if (wish.limit_seconds > 0 && partition->limit_seconds && wish.limit_seconds > *partition->limit_seconds)
      return too_long(site, *partition, wish.limit_seconds);
    if (std::string beyond = beyond_every_node(site, *partition, wish); !beyond.empty()) return beyond;
    if (std::string beyond = beyond_partition(*partition, wish); !beyond.empty()) return beyond;
  }
  const auto highest = site.configuration.highest_array_index();
  return highest && wish.array_tasks > *highest ? too_many_tasks(wish, *highest) : "";
}

}  // namespace ckpt::plan
