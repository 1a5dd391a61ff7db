// SPDX-License-Identifier: Apache-2.0
// What a person sees: colours, widths, a bar that moves. All of it falls away when the output is no terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ckpt::tools {

enum class Tone { plain, bold, faint, good, warning, bad };

// Coloured when standard output is a terminal and NO_COLOR is unset or empty.
std::string paint(Tone tone, const std::string& text);

// Columns it takes on a terminal.
std::size_t display_width(std::string_view text);
// Of standard output, when that is a terminal.
std::optional<std::size_t> terminal_columns();
// The text in lines of at most so many columns, broken at spaces; nullopt: one line.
std::vector<std::string> wrapped(const std::string& text, std::optional<std::size_t> columns);
// Control characters replaced: what others wrote must not steer this terminal.
std::string printable(std::string_view text);

// "2026-03-01 14:05:09", local time.
std::string local_time(double wall_seconds);
// "12 s ago"
std::string age(double wall_seconds);

// "[######......]" for a share of 1; what is beyond is full.
std::string bar(double share);

// One line on standard error that is rewritten; nothing when that is no terminal. The destructor clears it.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(std::uint64_t done, std::uint64_t total);

 private:
  std::string what_;
  bool terminal_;
  int shown_percent_ = -1;
};

}  // namespace ckpt::tools
