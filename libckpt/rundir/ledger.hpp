// SPDX-License-Identifier: Apache-2.0
// Append-only JSON lines, one writer each. It explains and teaches times; it never decides what is restored or who
// owns the run.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::rundir {

class Ledger {
 public:
  Ledger(io::FileSystem& fs, std::string path, std::uint32_t permissions);   // opened at the first append
  // Adds "event" and "time" (wall seconds) in front. Thread-safe. A failure is logged once and otherwise ignored: the
  // ledger must never stop the program.
  void append(const std::string& event, const nlohmann::json& details) noexcept;

 private:
  io::FileSystem& fs_;
  std::string path_;
  std::uint32_t permissions_;
  std::mutex mutex_;
  std::unique_ptr<io::File> file_;
  bool failed_ = false;   // said so
  bool torn_ = false;     // the last line may be half there
};

// All whole lines that are JSON objects; an unterminated or malformed one is dropped. Absent file: empty.
std::vector<nlohmann::json> read_ledger(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::rundir
