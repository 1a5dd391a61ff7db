// SPDX-License-Identifier: Apache-2.0
#include "slurm/site.hpp"

#include <strings.h>

#include <algorithm>

#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr std::string_view as_of = "Configuration data as of ";
constexpr const char* sinfo_format = "%P|%a|%T|%D|%c|%m|%N|%G";
constexpr std::size_t sinfo_fields = 8;

bool equal_words(std::string_view one, std::string_view other) {
  return one.size() == other.size() && ::strncasecmp(one.data(), other.data(), one.size()) == 0;
}

Partition partition_of(const Record& record) {
  Partition partition;
  partition.name = record.value("PartitionName");
  partition.state = record.value("State");
  partition.nodes = record.value("Nodes");
  partition.preempt_mode = record.value("PreemptMode");
  partition.resources = record.value("TRES");
  partition.is_default = record.value("Default") == "YES";
  partition.limit_seconds = parse_span(record.value("MaxTime"));
  partition.default_seconds = parse_span(record.value("DefaultTime"));
  partition.over_time_limit_seconds = parse_span(record.value("OverTimeLimit"));
  if (const auto seconds = record.number("GraceTime")) partition.grace_seconds = static_cast<double>(*seconds);
  partition.node_count = record.number("TotalNodes");
  partition.cpu_count = record.number("TotalCPUs");
  return partition;
}

// "16000+": some have more.
std::optional<std::uint64_t> at_least(std::string_view text) {
  return parse_number(text.ends_with('+') ? text.substr(0, text.size() - 1) : text);
}

NodeGroup group_of(const std::vector<std::string_view>& field) {
  NodeGroup group;
  group.partition = field[0].substr(0, field[0].find('*'));   // the default one has a star
  group.state = field[2];
  group.count = parse_number(field[3]).value_or(0);
  group.cpus = at_least(field[4]);
  if (const auto mebibytes = at_least(field[5])) group.memory_bytes = *mebibytes << 20;
  group.nodes = field[6];
  if (field[7] != "(null)") group.gres = field[7];
  return group;
}

}  // namespace

Configuration::Configuration(std::string_view text) {
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with(as_of)) clock_ = parse_time(trim(line.substr(as_of.size())));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    settings_.emplace(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }
}

std::string Configuration::value(const std::string& key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() || found->second == "(null)" ? std::string() : found->second;
}

bool Configuration::lists(const std::string& key, std::string_view word) const {
  const std::string words = value(key);
  const auto parts = split(words, ',');
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return equal_words(trim(part), word); });
}

std::optional<double> Configuration::seconds(const std::string& key) const { return parse_span(value(key)); }
std::optional<std::uint64_t> Configuration::number(const std::string& key) const { return parse_number(value(key)); }

std::optional<bool> Configuration::flag(const std::string& key) const {
  const std::string text = value(key);
  if (text == "1" || equal_words(text, "yes")) return true;
  if (text == "0" || equal_words(text, "no")) return false;
  return std::nullopt;
}

std::optional<std::uint64_t> Configuration::highest_array_index() const {
  const auto size = number("MaxArraySize");
  return size && *size > 0 ? std::optional(*size - 1) : std::nullopt;
}

bool Configuration::rejects_long_limits() const {
  const std::string enforced = value("EnforcePartLimits");
  return equal_words(enforced, "ALL") || equal_words(enforced, "ANY") || equal_words(enforced, "YES");
}

std::vector<Partition> parse_partitions(std::string_view text) {
  std::vector<Partition> result;
  for (const Record& record : records(text, "PartitionName")) result.push_back(partition_of(record));
  return result;
}

std::vector<NodeGroup> parse_node_groups(std::string_view text) {
  std::vector<NodeGroup> result;
  for (const std::string_view line : lines_of(text)) {
    const auto field = split(line, '|');
    if (field.size() == sinfo_fields && parse_number(field[3])) result.push_back(group_of(field));
  }
  return result;
}

const Partition* Site::partition(std::string_view name) const {
  const auto is_it = [&](const Partition& one) { return name.empty() ? one.is_default : one.name == name; };
  const auto found = std::find_if(partitions.begin(), partitions.end(), is_it);
  return found == partitions.end() ? nullptr : &*found;
}

const Partition* Site::longest() const {
  const Partition* found = nullptr;
  for (const Partition& one : partitions)
    if (one.is_up() && (!found || one.limit_seconds.value_or(0) > found->limit_seconds.value_or(0))) found = &one;
  return found;
}

std::optional<double> clock_skew(const Configuration& configuration, double asked, double answered) {
  const auto told = configuration.clock_seconds();
  if (!told) return std::nullopt;
  if (*told + 1 >= asked && *told <= answered) return 0;   // its second has begun before we had the answer
  return *told + 0.5 - (asked + answered) / 2;
}

Site ask_site(Clock& clock, const Attempts& attempts) {
  Site site;
  const auto ask = [&](std::vector<std::string> words) {
    const Command command = question(std::move(words));
    const Answer answer = run(clock, command, attempts);
    if (!answer.ok() && site.why_not.empty()) site.why_not = describe(command, answer);
    return answer;
  };
  const double asked = clock.wall_seconds();
  const Answer config = ask({"scontrol", "show", "config"});
  if (!config.ok()) return site;   // without that nothing else would be answered
  site.configuration = Configuration(config.output);
  site.clock_skew_seconds = clock_skew(site.configuration, asked, asked + config.seconds);
  site.partitions = parse_partitions(ask({"scontrol", "show", "partition", "-o"}).output);
  site.nodes = parse_node_groups(ask({"sinfo", "-h", "-o", sinfo_format}).output);
  return site;
}

}  // namespace ckpt::supervisor::slurm
