// SPDX-License-Identifier: Apache-2.0
// Durations and sizes as people and Slurm write them, and as people like to read them.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace ckpt {

// Seconds. "90s" "15m" "24h" "7d" "1h30m" "1.5h"; Slurm's "minutes", "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM",
// "D-HH:MM:SS" (sbatch(1), --time); so a bare number means minutes, as in --time. CKPT_ERR_CONFIG says what parses.
double parse_duration(std::string_view text);
// "0.8 s", "45 s", "12 min", "3 h 05 min", "2 d 4 h".
std::string format_duration(double seconds);
// The same to the second, for the terms of a sum: "23 h 42 min 42 s".
std::string format_duration_exactly(double seconds);

// Bytes. "4096", "512M", "4G", "4GiB", "1.5 GB": K, M, G, T are powers of 1024, KB, MB, … powers of 1000.
std::uint64_t parse_size(std::string_view text);
// "812 B", "24.2 MiB".
std::string format_size(std::uint64_t bytes);

// "102 epochs", "1 epoch", "2.39 epochs"; of numbers that are shown as 1 there is one.
std::string count_of(double number, std::string_view what);
template <std::unsigned_integral Number>
std::string count_of(Number number, std::string_view what) {
  return count_of(static_cast<double>(number), what);
}

// "2026-03-01T14:05:09Z"
std::string format_time(double wall_seconds);

}  // namespace ckpt
