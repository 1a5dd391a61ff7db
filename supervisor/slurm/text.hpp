// SPDX-License-Identifier: Apache-2.0
// The text of Slurm's commands as values. Whatever is not understood is absent, never wrong and never an error: a value
// that cannot be told for certain is treated as one that Slurm did not give.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ckpt::supervisor::slurm {

std::vector<std::string_view> lines_of(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// One line of `scontrol show … -o`: KEY=VALUE KEY=VALUE …, where values may hold spaces and "=". Refers to the text.
class Record {
 public:
  explicit Record(std::string_view line);

  // "" when it is absent, "(null)", "N/A", or there twice with different values (a job's name may hold anything).
  std::string_view value(std::string_view key) const;
  // Between "KEY=" and " NEXT=": for values that people choose, which may look like keys themselves.
  std::string_view value_before(std::string_view key, std::string_view next_key) const;
  std::optional<std::uint64_t> number(std::string_view key) const;

 private:
  std::string_view line_;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
};
// The lines that begin with "FIRST_KEY="; warnings and whatever else stands between them is passed over.
std::vector<Record> records(std::string_view text, std::string_view first_key);

std::optional<std::uint64_t> parse_number(std::string_view text);   // decimal digits only

// "2026-11-21T09:26:24" to unix seconds. The time zone is UTC, as the question asked for (command.hpp). "Unknown",
// "N/A", "None" are absent.
std::optional<double> parse_time(std::string_view text);

// Seconds of "1-02:03:04", "2:00", "30 sec"; infinity of "UNLIMITED", "INFINITE"; "Partition_Limit", "NONE" … absent.
std::optional<double> parse_span(std::string_view text);

// "3:0" is exit code 3, "0:9" death by signal 9.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  bool operator==(const ExitStatus&) const = default;
};
std::optional<ExitStatus> parse_exit_status(std::string_view text);

// Indices of a job array: "7", "2-3%1", "1,3,5-9:2%4", also inside "[…]".
class TaskSet {
 public:
  static std::optional<TaskSet> parse(std::string_view text);

  std::uint64_t count() const;
  bool contains(std::uint64_t task) const;
  std::optional<std::uint64_t> highest() const;
  std::optional<std::uint64_t> throttle() const { return throttle_; }   // after "%"
  std::optional<std::uint64_t> single() const;                          // the index when it is one task

 private:
  struct Range {
    std::uint64_t first, last, step;
  };
  std::vector<Range> ranges_;
  std::optional<std::uint64_t> throttle_;
};

}  // namespace ckpt::supervisor::slurm
