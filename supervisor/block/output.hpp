// SPDX-License-Identifier: Apache-2.0
// What the program of one block prints: where it goes, and its log.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "block/output_channel.hpp"
#include "io/file_system.hpp"

namespace ckpt::supervisor {

enum class OutputWay {
  inherited,   // the program has our descriptors: nothing is read, nothing is logged
  terminal,    // it prints to a terminal of our making
  tee,         // it prints to a pipe
  log_only,    // the same, and nobody but its log gets it
};

enum class LogWish { automatic, tee, none };
// Standard output and error of this process both are one terminal, outside a job: a terminal. Asked for: a pipe.
OutputWay choose_output(LogWish wish, bool in_job);

// A file of what was printed, made when there is something to put into it. An error ends it with one line, never the program.
class OutputLog {
 public:
  OutputLog(io::FileSystem& fs, std::string path, std::uint32_t permissions);
  void append(std::span<const std::byte> bytes) noexcept;

 private:
  io::FileSystem& fs_;
  std::string path_;
  std::uint32_t permissions_;
  std::unique_ptr<io::File> file_;
  bool failed_ = false;
};

class ProgramOutput {
 public:
  // Where no terminal can be made the output is inherited, with a warning.
  ProgramOutput(OutputWay way, OutputLog log);
  ProgramOutput(const ProgramOutput&) = delete;

  // Gets what the program prints, as it comes; nothing of an inherited output.
  void listen(OutputChannel::Keep listener) { listener_ = std::move(listener); }
  void connect_child() const noexcept;           // in the forked child
  void add_to(std::vector<pollfd>& polled) const;
  void pass_on();                                // never blocks
  void follow_window() const;
  // After the end of the program and all it started. Whoever else holds its descriptors is not waited for; a reader that
  // takes nothing is, for some seconds or until `hurry` says so.
  void finish(Clock& clock, const std::function<bool()>& hurry);

 private:
  void open_channels(OutputWay way);
  std::size_t flush();

  OutputLog log_;
  OutputChannel::Keep listener_;
  OutputChannel::Keep keep_ = [this](std::span<const std::byte> bytes) {
    log_.append(bytes);
    if (listener_) listener_(bytes);
  };
  std::vector<OutputChannel> channels_;          // none: inherited
};

}  // namespace ckpt::supervisor
