// SPDX-License-Identifier: Apache-2.0
#include "block/output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double longest_wait_for_reader_seconds = 10;   // without taking anything
constexpr int look_again_milliseconds = 100;

bool is_open(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0;
}

bool are_the_same(int one, int other) {
  struct stat first {}, second {};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

OutputWay choose_output(LogWish wish, bool in_job) {
  if (wish == LogWish::tee) return OutputWay::tee;
  const bool on_terminal = ::isatty(STDOUT_FILENO) && are_the_same(STDOUT_FILENO, STDERR_FILENO);
  return wish == LogWish::automatic && on_terminal && !in_job ? OutputWay::terminal : OutputWay::inherited;
}

OutputLog::OutputLog(io::FileSystem& fs, std::string path, std::uint32_t permissions)
    : fs_(fs), path_(std::move(path)), permissions_(permissions) {}

void OutputLog::append(std::span<const std::byte> bytes) noexcept try {
  if (failed_) return;
  int error = file_ ? 0 : fs_.open(path_, io::OpenMode::append, permissions_, file_);
  if (error == 0) error = file_->append(bytes);
  if (error == 0) return;
  failed_ = true;
  log_warning("'{}' ends here ({}); the program goes on, and what it prints is still shown", path_, errno_text(error));
} catch (const std::exception&) {   // no memory for a line of text: the program matters more
  failed_ = true;
}

ProgramOutput::ProgramOutput(OutputWay way, OutputLog log) : log_(std::move(log)) {
  try {
    open_channels(way);
  } catch (const Error& error) {
    log_warning("{}; it is not logged", error.what());
    channels_.clear();
  }
}

// Where both of ours are one file, one channel keeps the order of what is printed to the two.
void ProgramOutput::open_channels(OutputWay way) {
  if (way == OutputWay::inherited) return;
  if (way == OutputWay::log_only) {
    const Descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    channels_.emplace_back(make_pipe(), std::vector{STDOUT_FILENO, STDERR_FILENO}, nowhere.get());
    return;
  }
  const auto make = [way](int sink) { return way == OutputWay::tee ? make_pipe() : make_terminal_like(sink); };
  if (are_the_same(STDOUT_FILENO, STDERR_FILENO)) {
    channels_.emplace_back(make(STDOUT_FILENO), std::vector{STDOUT_FILENO, STDERR_FILENO}, STDOUT_FILENO);
    return;
  }
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
    if (is_open(fd)) channels_.emplace_back(make(fd), std::vector{fd}, fd);
}

void ProgramOutput::connect_child() const noexcept {
  for (const OutputChannel& channel : channels_) channel.connect_child();
}

void ProgramOutput::add_to(std::vector<pollfd>& polled) const {
  for (const OutputChannel& channel : channels_) channel.add_to(polled);
}

void ProgramOutput::pass_on() {
  for (OutputChannel& channel : channels_) channel.pass_on(keep_);
}

void ProgramOutput::follow_window() const {
  for (const OutputChannel& channel : channels_) channel.follow_window();
}

// Returns the bytes that wait.
std::size_t ProgramOutput::flush() {
  std::size_t bytes = 0;
  for (OutputChannel& channel : channels_) {
    channel.flush();
    bytes += channel.pending_bytes();
  }
  return bytes;
}

void ProgramOutput::finish(Clock& clock, const std::function<bool()>& hurry) {
  for (OutputChannel& channel : channels_) channel.drain(keep_);
  std::size_t pending = flush();
  for (double until = clock.monotonic_seconds() + longest_wait_for_reader_seconds; pending > 0;) {
    std::vector<pollfd> sinks;
    for (const OutputChannel& channel : channels_)
      if (channel.waits_for_reader()) channel.add_to(sinks);
    ::poll(sinks.data(), sinks.size(), look_again_milliseconds);
    const std::size_t before = std::exchange(pending, flush());
    if (pending < before) until = clock.monotonic_seconds() + longest_wait_for_reader_seconds;
    if (pending > 0 && (hurry() || clock.monotonic_seconds() >= until)) break;
  }
  if (pending > 0)
    log_warning("the last {} that the program printed are taken by nobody; they are in its log", format_size(pending));
  channels_.clear();
}

}  // namespace ckpt::supervisor
