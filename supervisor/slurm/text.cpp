// SPDX-License-Identifier: Apache-2.0
#include "slurm/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr std::uint64_t highest_task = 1u << 30;   // above: Slurm's NO_VAL, "4294967294"

bool is_key_character(char c) {
  constexpr std::string_view others = "_/:-.";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.find(c) != others.npos;
}

bool says_nothing(std::string_view value) { return value == "(null)" || value == "N/A"; }

// Where " KEY=" begins (at its first letter) at or after `from`; npos when no key follows. Slurm's keys begin with a
// capital, which keeps "train.sh --seed=3" together.
std::size_t next_key(std::string_view line, std::size_t from) {
  while (from < line.size()) {
    std::size_t end = from;
    while (end < line.size() && is_key_character(line[end])) ++end;
    const bool capital = line[from] >= 'A' && line[from] <= 'Z';
    if (capital && end < line.size() && line[end] == '=') return from;
    const std::size_t space = line.find(' ', from);
    if (space == std::string_view::npos) break;
    from = space + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) + 1 - begin);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines = split(text, '\n');
  std::erase_if(lines, [](std::string_view line) { return trim(line).empty(); });
  return lines;
}

Record::Record(std::string_view line) : line_(line) {
  for (std::size_t at = next_key(line, 0); at != std::string_view::npos;) {
    const std::size_t equals = line.find('=', at), next = next_key(line, std::min(line.find(' ', equals), line.size()));
    const std::size_t end = std::min(next, line.size());
    fields_.emplace_back(line.substr(at, equals - at), trim(line.substr(equals + 1, end - equals - 1)));
    at = next;
  }
}

std::string_view Record::value(std::string_view key) const {
  std::optional<std::string_view> found;
  for (const auto& [name, value] : fields_) {
    if (name != key) continue;
    if (found && *found != value) return {};
    found = value;
  }
  return found && !says_nothing(*found) ? *found : std::string_view{};
}

std::string_view Record::value_before(std::string_view key, std::string_view next_key) const {
  const std::string begin = std::string(key) + "=", end = " " + std::string(next_key) + "=";
  const std::size_t at = line_.find(begin);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line_.substr(at + begin.size());
  const std::string_view value = trim(rest.substr(0, rest.find(end)));
  return says_nothing(value) ? std::string_view{} : value;
}

std::optional<std::uint64_t> Record::number(std::string_view key) const { return parse_number(value(key)); }

std::vector<Record> records(std::string_view text, std::string_view first_key) {
  std::vector<Record> result;
  for (const std::string_view line : lines_of(text))
    if (line.starts_with(first_key) && line.substr(first_key.size()).starts_with('=')) result.emplace_back(line);
  return result;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_time(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return std::nullopt;
  }
  const auto field = [&](std::size_t at, std::size_t size) {
    return static_cast<int>(*parse_number(text.substr(at, size)));
  };
  tm parts{};
  parts.tm_year = field(0, 4) - 1900;
  parts.tm_mon = field(5, 2) - 1;
  parts.tm_mday = field(8, 2);
  parts.tm_hour = field(11, 2);
  parts.tm_min = field(14, 2);
  parts.tm_sec = field(17, 2);
  const tm told = parts;
  const time_t seconds = ::timegm(&parts);
  const bool exists = told.tm_mon == parts.tm_mon && told.tm_mday == parts.tm_mday && told.tm_hour == parts.tm_hour;
  return exists ? std::optional(static_cast<double>(seconds)) : std::nullopt;
}

std::optional<double> parse_span(std::string_view text) {
  if (text == "UNLIMITED" || text == "INFINITE") return std::numeric_limits<double>::infinity();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::string compact(text);   // "30 sec"
  std::erase(compact, ' ');
  try {
    return parse_duration(compact);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<ExitStatus> parse_exit_status(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2) return std::nullopt;
  const auto code = parse_number(parts[0]), signal = parse_number(parts[1]);
  if (!code || !signal || *code > 255 || *signal > 255) return std::nullopt;
  return ExitStatus{static_cast<int>(*code), static_cast<int>(*signal)};
}

std::optional<TaskSet> TaskSet::parse(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  TaskSet set;
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    set.throttle_ = parse_number(text.substr(percent + 1));
    if (!set.throttle_) return std::nullopt;
  }
  for (const std::string_view part : split(text.substr(0, percent), ',')) {
    const std::size_t colon = part.find(':');
    const std::string_view ends = part.substr(0, colon);
    const std::size_t dash = ends.find('-');
    const auto first = parse_number(ends.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(ends.substr(dash + 1));
    const auto step = colon == std::string_view::npos ? parse_number("1") : parse_number(part.substr(colon + 1));
    if (!first || !last || !step || *first > *last || *last > highest_task || *step == 0) return std::nullopt;
    set.ranges_.push_back({*first, *last, *step});
  }
  return set;
}

std::uint64_t TaskSet::count() const {
  std::uint64_t total = 0;
  for (const Range& range : ranges_) total += (range.last - range.first) / range.step + 1;
  return total;
}

bool TaskSet::contains(std::uint64_t task) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return task >= range.first && task <= range.last && (task - range.first) % range.step == 0;
  });
}

std::optional<std::uint64_t> TaskSet::highest() const {
  std::optional<std::uint64_t> result;
  for (const Range& range : ranges_)
    result = std::max(result.value_or(0), range.last - (range.last - range.first) % range.step);
  return result;
}

std::optional<std::uint64_t> TaskSet::single() const {
  return count() == 1 ? std::optional(ranges_.front().first) : std::nullopt;
}

}  // namespace ckpt::supervisor::slurm
