// SPDX-License-Identifier: Apache-2.0
#include "block/signal_inbox.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace ckpt::supervisor {
namespace {

// A launcher may pass one ^C on, so that it comes twice at once: that is one press.
constexpr double separate_press_seconds = 0.5;

sigset_t set_of(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

bool is_ignored(int number) {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

// Not sigabbrev_np: it is younger than the C library of many clusters.
std::string signal_name(int number) {
  constexpr std::pair<int, const char*> names[] = {
      {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGILL, "ILL"},   {SIGTRAP, "TRAP"}, {SIGABRT, "ABRT"},
      {SIGBUS, "BUS"},   {SIGFPE, "FPE"},   {SIGKILL, "KILL"}, {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"}, {SIGUSR2, "USR2"},
      {SIGPIPE, "PIPE"}, {SIGALRM, "ALRM"}, {SIGTERM, "TERM"}, {SIGXCPU, "XCPU"}, {SIGXFSZ, "XFSZ"}, {SIGSYS, "SYS"}};
  for (const auto& [known, name] : names)
    if (known == number) return fmt::format("SIG{}", name);
  return fmt::format("signal {}", number);
}

SignalInbox::SignalInbox() {
  sigset_t wanted = set_of({SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH});
  if (!is_ignored(SIGHUP)) sigaddset(&wanted, SIGHUP);
  signal(SIGCHLD, SIG_DFL);   // inherited as ignored, children would vanish without a status
  signal(SIGXFSZ, SIG_IGN);   // a file size limit is an error of one write, told like any other
  former_pipe_ = signal(SIGPIPE, SIG_IGN);   // and so is a reader of our messages that has gone
  sigprocmask(SIG_BLOCK, &wanted, &former_mask_);
  fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0) fail(CKPT_ERR_INTERNAL, "signalfd: {}", errno_text(errno));
}

SignalInbox::~SignalInbox() {
  ::close(fd_);
  signal(SIGPIPE, former_pipe_);
  sigprocmask(SIG_SETMASK, &former_mask_, nullptr);
}

void SignalInbox::wait(Clock& clock, double seconds) {
  pollfd polled{fd_, POLLIN, 0};
  ::poll(&polled, 1, static_cast<int>(seconds * 1000));
  take(clock.monotonic_seconds());
}

void SignalInbox::take(double monotonic_seconds) {
  signalfd_siginfo info;
  while (::read(fd_, &info, sizeof info) == sizeof info) take_one(static_cast<int>(info.ssi_signo), monotonic_seconds);
}

void SignalInbox::take_one(int number, double monotonic_seconds) {
  if (number == SIGCHLD) return;   // the reader reaps whatever has ended
  window_changed_ = window_changed_ || number == SIGWINCH;
  if (number == SIGWINCH) return;
  if (!stop_reason_) stop_reason_ = signal_name(number) + " to ckptrun";
  if (number != SIGUSR1 && number != SIGUSR2) ++stops_asked_;
  if (number != SIGINT) return;
  if (!first_interrupt_) first_interrupt_ = monotonic_seconds;
  else if (monotonic_seconds - *first_interrupt_ >= separate_press_seconds) stop_now_ = true;
}

void SignalInbox::prepare_child() const noexcept {
  for (const int number : {SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) signal(number, number == programs_own_ ? SIG_DFL : SIG_IGN);
  signal(SIGXFSZ, SIG_DFL);
  signal(SIGPIPE, former_pipe_);
  signal(SIGTERM, SIG_DFL);   // it is what a stop is asked with
  sigprocmask(SIG_SETMASK, &former_mask_, nullptr);
}

}  // namespace ckpt::supervisor
