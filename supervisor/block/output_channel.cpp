// SPDX-License-Identifier: Apache-2.0
#include "block/output_channel.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ckpt::supervisor {
namespace {

constexpr std::size_t piece_bytes = 64u << 10;
constexpr int pieces_at_once = 16;                    // then the clock and the signals have their turn
constexpr std::size_t most_left_bytes = 1u << 20;     // a pipe or a terminal holds less

// A descriptor of our own of the same pipe or terminal: it can be made non-blocking without that being true for
// whoever gave us ours. Of a file it would have another offset, and of a socket there is none.
int reopen_unblocked(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !(S_ISFIFO(info.st_mode) || ::isatty(fd))) return -1;
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool nobody_reads(int error) { return error == EPIPE || error == EIO || error == ENXIO || error == EBADF; }

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_io(errno, "cannot make a pipe for the program's output");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Only output goes through it: the program reads from, and is controlled by, the real terminal. So ^C, ^Z and the modes of
// input are what they are without us. The real one does what has to be done to line ends, once.
Ends make_terminal_like(int terminal) {
  Ends ends{Descriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)), Descriptor()};
  std::array<char, 64> name{};
  if (ends.ours.get() < 0 || ::grantpt(ends.ours.get()) != 0 || ::unlockpt(ends.ours.get()) != 0 ||
      ::ptsname_r(ends.ours.get(), name.data(), name.size()) != 0)
    fail_io(errno, "cannot make a terminal for the program's output");
  ends.childs = Descriptor(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (ends.childs.get() < 0) fail_io(errno, "cannot open '{}' for the program's output", name.data());
  termios modes{};
  winsize size{};
  if (::tcgetattr(terminal, &modes) == 0) {
    modes.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    ::tcsetattr(ends.childs.get(), TCSANOW, &modes);
  }
  if (::ioctl(terminal, TIOCGWINSZ, &size) == 0) ::ioctl(ends.ours.get(), TIOCSWINSZ, &size);
  return ends;
}

OutputChannel::OutputChannel(Ends ends, std::vector<int> targets, int sink)
    : ends_(std::move(ends)), targets_(std::move(targets)), sink_(reopen_unblocked(sink)) {
  sink_blocks_ = sink_.get() < 0;
  if (sink_blocks_) sink_ = Descriptor(::fcntl(sink, F_DUPFD_CLOEXEC, 0));
}

// The child's end stays open here as well: when the program closes its own, that is no end of file to wake up for. The end
// of the output is the end of the block.
void OutputChannel::connect_child() const noexcept {
  for (const int target : targets_) ::dup2(ends_.childs.get(), target);
}

void OutputChannel::add_to(std::vector<pollfd>& polled) const {
  if (waits_for_reader()) polled.push_back({sink_.get(), POLLOUT, 0});
  else polled.push_back({ends_.ours.get(), POLLIN, 0});
}

void OutputChannel::pass_on(const Keep& keep) {
  for (int piece = 0; piece < pieces_at_once; ++piece)
    if (!flush() || fill(keep) == 0) return;
}

void OutputChannel::drain(const Keep& keep) {
  // poll waits for what the kernel is still moving from one side of a terminal to the other; read alone may not.
  for (std::size_t taken = 0, more = 1; more > 0 && taken < most_left_bytes; taken += more) {
    pollfd source{ends_.ours.get(), POLLIN, 0};
    more = ::poll(&source, 1, 0) == 1 ? fill(keep) : 0;
  }
}

std::size_t OutputChannel::fill(const Keep& keep) {
  std::array<std::byte, piece_bytes> piece;
  ssize_t length = 0;
  do length = ::read(ends_.ours.get(), piece.data(), piece.size());
  while (length < 0 && errno == EINTR);
  if (length <= 0) return 0;
  const std::span<const std::byte> bytes(piece.data(), static_cast<std::size_t>(length));
  keep(bytes);
  if (!sink_gone_) pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  return bytes.size();
}

bool OutputChannel::writable() const {
  pollfd sink{sink_.get(), POLLOUT, 0};
  return ::poll(&sink, 1, 0) == 1;
}

// A sink that cannot be made non-blocking gets no more than fits when poll says that it is writable.
bool OutputChannel::flush() {
  while (passed_ < pending_.size()) {
    if (sink_blocks_ && !writable()) return false;
    const std::size_t most = sink_blocks_ ? PIPE_BUF : pending_.size();
    const ssize_t length = ::write(sink_.get(), pending_.data() + passed_, std::min(most, pending_.size() - passed_));
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return false;
    if (length < 0) give_up(errno);
    else passed_ += static_cast<std::size_t>(length);
  }
  pending_.clear();
  passed_ = 0;
  return true;
}

// The program is not disturbed by that: what it prints is kept, and no longer shown.
void OutputChannel::give_up(int error) {
  if (!std::exchange(said_, true))
    log_warning("what the program prints cannot be passed on ({}); the program goes on, and its log", errno_text(error));
  sink_gone_ = nobody_reads(error);
  passed_ = pending_.size();
}

// The real terminal has told all processes of its foreground group already, but they could only have read the old size.
void OutputChannel::follow_window() const {
  winsize now{}, before{};
  if (::ioctl(sink_.get(), TIOCGWINSZ, &now) != 0 || ::ioctl(ends_.ours.get(), TIOCGWINSZ, &before) != 0) return;
  if (now.ws_row == before.ws_row && now.ws_col == before.ws_col) return;
  ::ioctl(ends_.ours.get(), TIOCSWINSZ, &now);
  ::kill(0, SIGWINCH);
}

}  // namespace ckpt::supervisor
