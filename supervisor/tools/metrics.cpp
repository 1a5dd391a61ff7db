// SPDX-License-Identifier: Apache-2.0
#include "tools/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

namespace ckpt::tools {
namespace {

constexpr std::uint64_t tail_bytes = 64u << 10;
constexpr std::size_t longest_text = 16;

// Whole lines at the end of the file: the first one may be cut by where reading starts, the last by its writer.
std::string read_tail(io::FileSystem& fs, const std::string& path) {
  std::unique_ptr<io::File> file;
  std::uint64_t size = 0;
  if (fs.open(path, io::OpenMode::read, 0, file) != 0 || file->size(size) != 0) return "";
  const std::uint64_t offset = size > tail_bytes ? size - tail_bytes : 0;
  std::string text(size - offset, '\0');
  std::size_t bytes_read = 0;
  if (file->read_at(offset, std::as_writable_bytes(std::span(text)), bytes_read) != 0) return "";
  text.resize(bytes_read);
  text.resize(text.rfind('\n') + 1);
  if (offset > 0) text.erase(0, text.find('\n') + 1);
  return text;
}

constexpr std::string_view names_of_place[] = {"time", "step", "epoch", "block", "from"};

bool is_metric(const std::string& name) { return std::ranges::find(names_of_place, name) == std::end(names_of_place); }

std::uint64_t count(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::vector<Json> lines_of(std::string_view text) {
  std::vector<Json> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    Json line = Json::parse(text.substr(0, end), nullptr, false);
    if (line.is_object()) lines.push_back(std::move(line));
    text.remove_prefix(end + 1);
  }
  return lines;
}

using Starts = std::map<std::uint64_t, std::uint64_t>;   // block -> the step from which it went on

Starts starts_of(const std::vector<Json>& lines) {
  Starts starts;
  for (const Json& line : lines) starts.try_emplace(count(line, "block"), count(line, "from"));
  return starts;
}

// What a block did beyond the step from which a newer one went on.
bool is_done_again(const Json& line, const Starts& starts) {
  return std::any_of(starts.upper_bound(count(line, "block")), starts.end(),
                     [&](const auto& newer) { return newer.second < count(line, "step"); });
}

void take_line(const Json& line, Metrics& metrics) {
  if (line.contains("step")) metrics.step = count(line, "step");
  for (const auto& [name, value] : line.items()) {
    if (is_metric(name)) metrics.values[name] = value;
  }
}

}  // namespace

Metrics last_metrics(io::FileSystem& fs, const rundir::Layout& layout) {
  Metrics metrics;
  const std::vector<Json> lines = lines_of(read_tail(fs, layout.metrics()));
  const Starts starts = starts_of(lines);
  for (const Json& line : lines) {
    if (!is_done_again(line, starts)) take_line(line, metrics);
  }
  return metrics;
}

std::string metric_text(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.size() > longest_text ? "..." : text;
}

}  // namespace ckpt::tools
