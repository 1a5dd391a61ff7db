// SPDX-License-Identifier: Apache-2.0
// One line per message on stderr, "ckpt: …", written with one write(2) so that lines of several processes never mix.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace ckpt {

enum class LogLevel { error, warning, info, debug };

// From CKPT_LOG_LEVEL at first use; default info.
LogLevel log_level() noexcept;
void set_log_level(LogLevel level) noexcept;
bool parse_log_level(std::string_view text, LogLevel& level) noexcept;
// The word before the colon: "ckpt" in programs, "ckptrun" in the supervisor. Must be a string literal.
void set_log_prefix(const char* prefix) noexcept;
void write_log(LogLevel level, std::string_view text) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (level <= log_level()) write_log(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> f, Args&&... args) { log(LogLevel::error, f, std::forward<Args>(args)...); }
template <class... Args>
void log_warning(fmt::format_string<Args...> f, Args&&... args) { log(LogLevel::warning, f, std::forward<Args>(args)...); }
template <class... Args>
void log_info(fmt::format_string<Args...> f, Args&&... args) { log(LogLevel::info, f, std::forward<Args>(args)...); }
template <class... Args>
void log_debug(fmt::format_string<Args...> f, Args&&... args) { log(LogLevel::debug, f, std::forward<Args>(args)...); }

}  // namespace ckpt
