// SPDX-License-Identifier: Apache-2.0
// ckpt status --watch: in place on a terminal, else a line whenever something changed.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "tools/find_run.hpp"
#include "tools/situation.hpp"
#include "tools/status.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr int exit_interrupted = 128 + SIGINT;

// While it lives, ^C and SIGTERM end the waiting instead of the process, so that the terminal is left as it was.
class Interruption {
 public:
  Interruption() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Interruption() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  bool within(double seconds) const {
    timespec time{};
    time.tv_sec = static_cast<time_t>(seconds);
    time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
    return sigtimedwait(&signals_, nullptr, &time) > 0;
  }

 private:
  sigset_t signals_, before_;
};

class Screen {
 public:
  virtual ~Screen() = default;
  virtual void show(const Situation& now) = 0;
};

// Lines are cut at the edge, not wrapped: so many lines printed are so many to go back.
class TerminalScreen final : public Screen {
 public:
  TerminalScreen() { fmt::print("\033[?25l\033[?7l"); }
  ~TerminalScreen() override {
    fmt::print("\033[?7h\033[?25h");
    std::fflush(stdout);
  }
  void show(const Situation& now) override {
    if (shown_ > 0) fmt::print("\033[{}A\r", shown_);
    const auto lines = status_lines(now);
    for (const std::string& line : lines) fmt::print("{}\033[K\n", line);
    fmt::print("\033[J");
    std::fflush(stdout);
    shown_ = lines.size();
  }

 private:
  std::size_t shown_ = 0;
};

class ChangesOnly final : public Screen {
 public:
  explicit ChangesOnly(Format format) : format_(format) {}
  void show(const Situation& now) override {
    const std::string line = status_line(now);
    if (line == last_) return;
    last_ = line;
    if (format_ == Format::json) print_json_line(status_json(now));
    else fmt::print("{}  {}  {}\n", local_time(system_clock().wall_seconds()), printable(now.run.name), line);
    if (std::fflush(stdout) != 0) fail_io(errno, "cannot write to standard output");
  }

 private:
  Format format_;
  std::string last_;
};

std::unique_ptr<Screen> make_screen(Format format) {
  if (format == Format::text && isatty(STDOUT_FILENO)) return std::make_unique<TerminalScreen>();
  return std::make_unique<ChangesOnly>(format);
}

int exit_code_at_rest(const Situation& now) {
  if (now.run.state == RunState::complete) return 0;
  return now.run.state == RunState::stopped ? exit_stopped : exit_no;
}

}  // namespace

int watch(const std::string& run, double interval_seconds, Format format) {
  io::FileSystem& fs = io::file_system();
  const rundir::Layout layout = choose_run(fs, run);
  const Interruption interruption;
  const auto screen = make_screen(format);
  for (;;) {
    const Situation now = look_at(fs, layout);
    screen->show(now);
    if (is_at_rest(now)) return exit_code_at_rest(now);
    if (interruption.within(interval_seconds)) return exit_interrupted;
  }
}

}  // namespace ckpt::tools
