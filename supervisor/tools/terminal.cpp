// SPDX-License-Identifier: Apache-2.0
#include "tools/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sstream>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/quantity.hpp"

namespace ckpt::tools {
namespace {

bool colours_wanted() {
  static const bool wanted = isatty(STDOUT_FILENO) != 0 && environment_variable("NO_COLOR").empty() &&
                             environment_variable("TERM") != "dumb";
  return wanted;
}

const char* escape_sequence(Tone tone) {
  switch (tone) {
    case Tone::plain: return "";
    case Tone::bold: return "\033[1m";
    case Tone::faint: return "\033[2m";
    case Tone::good: return "\033[32m";
    case Tone::warning: return "\033[33m";
    case Tone::bad: return "\033[31m";
  }
  return "";
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::string paint(Tone tone, const std::string& text) {
  if (tone == Tone::plain || text.empty() || !colours_wanted()) return text;
  return escape_sequence(tone) + text + "\033[0m";
}

// mbrtowc follows the locale that main() has set; bytes it does not understand count as one column each.
std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  mbstate_t state{};
  while (!text.empty()) {
    wchar_t character = 0;
    const std::size_t length = mbrtowc(&character, text.data(), text.size(), &state);
    const bool understood = length != 0 && length <= text.size();
    if (!understood) state = {};
    columns += understood ? static_cast<std::size_t>(std::max(wcwidth(character), 0)) : 1;
    text.remove_prefix(understood ? length : 1);
  }
  return columns;
}

std::optional<std::size_t> terminal_columns() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

std::vector<std::string> wrapped(const std::string& text, std::optional<std::size_t> columns) {
  std::vector<std::string> lines(1);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t width = display_width(lines.back()) + 1 + display_width(word);
    if (columns && !lines.back().empty() && width > *columns) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::string printable(std::string_view text) {
  std::string result(text);
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

std::string local_time(double wall_seconds) {
  const auto seconds = static_cast<std::time_t>(wall_seconds);
  std::tm parts{};
  char text[32] = "";
  if (localtime_r(&seconds, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::string age(double wall_seconds) {
  const double seconds = std::max(0.0, system_clock().wall_seconds() - wall_seconds);
  return seconds < 1 ? "now" : format_duration(seconds) + " ago";
}

std::string bar(double share) {
  constexpr int width = 30;
  const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  return fmt::format("[{:#<{}}{:.<{}}]", "", filled, "", width - filled);
}

ProgressBar::ProgressBar(std::string what) : what_(printable(what)), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (shown_percent_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(std::uint64_t done, std::uint64_t total) {
  const int percent = total == 0 ? 100 : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
  if (!terminal_ || percent == shown_percent_) return;
  shown_percent_ = percent;
  fmt::print(stderr, "\r{} {:3} %  {}\033[K", bar(percent / 100.0), percent, what_);
  std::fflush(stderr);
}

}  // namespace ckpt::tools
