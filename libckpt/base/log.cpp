// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "base/environment.hpp"

namespace ckpt {
namespace {

constexpr int not_read_yet = -1;
std::atomic<int> level_in_force{not_read_yet};
std::atomic<const char*> prefix_in_force{"ckpt"};

}  // namespace

bool parse_log_level(std::string_view text, LogLevel& level) noexcept {
  constexpr std::string_view names[] = {"error", "warning", "info", "debug"};
  const auto* found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return false;
  level = static_cast<LogLevel>(found - std::begin(names));
  return true;
}

LogLevel log_level() noexcept {
  int level = level_in_force.load(std::memory_order_relaxed);
  if (level == not_read_yet) {
    LogLevel parsed = LogLevel::info;
    parse_log_level(environment_variable("CKPT_LOG_LEVEL"), parsed);
    level = static_cast<int>(parsed);
    level_in_force.store(level, std::memory_order_relaxed);
  }
  return static_cast<LogLevel>(level);
}

void set_log_level(LogLevel level) noexcept { level_in_force.store(static_cast<int>(level), std::memory_order_relaxed); }
void set_log_prefix(const char* prefix) noexcept { prefix_in_force.store(prefix, std::memory_order_relaxed); }

void write_log(LogLevel level, std::string_view text) noexcept try {
  std::string line = fmt::format("{}: {}{}\n", prefix_in_force.load(std::memory_order_relaxed),
                                 level == LogLevel::error     ? "error: "
                                 : level == LogLevel::warning ? "warning: "
                                                              : "",
                                 text);
  // A newline inside would break "one line per message" for whoever greps the log.
  std::replace(line.begin(), line.end() - 1, '\n', ' ');
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
} catch (...) {  // out of memory while saying something: the program matters more than the line
}

}  // namespace ckpt
