// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.hpp"

#include <cmath>
#include <ctime>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/error.hpp"

namespace ckpt {
namespace {

constexpr double minute = 60, hour = 3600, day = 86400;
constexpr double longest_duration_seconds = 100 * 365 * day;

// Consumes a non-negative decimal number from the front of text.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || !(value >= 0) || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<double> unit_seconds(std::string_view unit) {
  if (unit == "ms") return 1e-3;
  if (unit == "s" || unit == "sec") return 1;
  if (unit == "m" || unit == "min") return minute;
  if (unit == "h") return hour;
  if (unit == "d") return day;
  return std::nullopt;
}

// "1h30m", "90s", "1.5h"
std::optional<double> parse_with_units(std::string_view text) {
  double total = 0;
  while (!text.empty()) {
    auto number = take_number(text);
    if (!number) return std::nullopt;
    std::size_t length = 0;
    while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') ++length;
    auto unit = unit_seconds(text.substr(0, length));
    if (!unit) return std::nullopt;
    total += *number * *unit;
    text = trim(text.substr(length));
  }
  return total;
}

// The forms of sbatch --time: the unit of the first field depends on whether days are given.
std::optional<double> parse_slurm(std::string_view text) {
  std::optional<double> days;
  if (auto dash = text.find('-'); dash != std::string_view::npos) {
    std::string_view head = text.substr(0, dash);
    days = take_number(head);
    if (!days || !head.empty()) return std::nullopt;
    text.remove_prefix(dash + 1);
  }
  std::vector<double> fields;
  for (;;) {
    auto number = take_number(text);
    if (!number || *number != std::floor(*number)) return std::nullopt;
    fields.push_back(*number);
    if (text.empty()) break;
    if (text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
  }
  if (fields.size() > 3) return std::nullopt;
  std::array<double, 3> units{};
  if (days) units = {hour, minute, 1};
  else if (fields.size() == 3) units = {hour, minute, 1};
  else units = {minute, 1, 0};
  double total = days.value_or(0) * day;
  for (std::size_t i = 0; i < fields.size(); ++i) total += fields[i] * units[i];
  return total;
}

}  // namespace

double parse_duration(std::string_view text) {
  const std::string_view trimmed = trim(text);
  std::optional<double> seconds;
  if (!trimmed.empty()) {
    seconds = parse_with_units(trimmed);
    if (!seconds) seconds = parse_slurm(trimmed);
  }
  if (!seconds || !std::isfinite(*seconds) || *seconds > longest_duration_seconds)
    fail(CKPT_ERR_CONFIG, "'{}' is no duration; write it like 90s, 15m, 24h, 3:00:00 or 1-12:00:00", text);
  return *seconds;
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "no limit";
  if (seconds < 0) return "-" + format_duration(-seconds);
  if (seconds < 0.001) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 0.1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 99.5) return fmt::format("{:.0f} s", seconds);
  const auto in_seconds = static_cast<std::uint64_t>(std::llround(seconds));
  if (in_seconds < 10 * 60 && in_seconds % 60 != 0) return fmt::format("{} min {} s", in_seconds / 60, in_seconds % 60);
  auto whole = static_cast<std::uint64_t>(std::llround(seconds / minute));  // minutes
  if (whole < 60) return fmt::format("{} min", whole);
  if (whole < 48 * 60) return fmt::format("{} h {:02} min", whole / 60, whole % 60);
  return fmt::format("{} d {} h", whole / (24 * 60), whole / 60 % 24);
}

std::string format_duration_exactly(double seconds) {
  if (!std::isfinite(seconds) || std::abs(seconds) < 99.5) return format_duration(seconds);
  if (seconds < 0) return "-" + format_duration_exactly(-seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  const std::uint64_t days = whole / 86400, hours = whole / 3600, minutes = whole / 60 % 60;
  const std::string rest = whole % 60 ? fmt::format(" {:02} s", whole % 60) : "";
  if (hours == 0) return fmt::format("{} min{}", minutes, rest);
  if (hours < 48) return fmt::format("{} h {:02} min{}", hours, minutes, rest);
  return fmt::format("{} d {} h{}{}", days, hours % 24, whole % 3600 ? fmt::format(" {:02} min", minutes) : "", rest);
}

std::uint64_t parse_size(std::string_view text) {
  std::string_view rest = trim(text);
  std::optional<double> number;
  if (!rest.empty()) number = take_number(rest);
  rest = trim(rest);
  double factor = 0;
  if (number && (rest.empty() || rest == "B")) {
    factor = 1;
  } else if (number) {
    constexpr std::string_view letters = "KMGT";
    const char first = rest.front() == 'k' ? 'K' : rest.front();
    if (auto power = letters.find(first); power != std::string_view::npos) {
      const std::string_view tail = rest.substr(1);
      const auto exponent = static_cast<double>(power + 1);
      if (tail.empty() || tail == "iB") factor = std::pow(1024.0, exponent);
      else if (tail == "B") factor = std::pow(1000.0, exponent);
    }
  }
  if (factor == 0 || *number * factor > 9e18)
    fail(CKPT_ERR_CONFIG, "'{}' is no size; write it like 4096, 512M, 4GiB", text);
  return static_cast<std::uint64_t>(*number * factor);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 1, unit);
}

std::string count_of(double number, std::string_view what) {
  const bool whole = std::abs(number - std::round(number)) < 0.005;
  const std::string text = whole ? fmt::format("{:.0f}", number) : fmt::format("{:.2f}", number);
  return fmt::format("{} {}{}", text, what, text == "1" ? "" : "s");
}

std::string format_time(double wall_seconds) {
  const auto whole = static_cast<time_t>(wall_seconds);
  tm parts{};
  gmtime_r(&whole, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

}  // namespace ckpt
