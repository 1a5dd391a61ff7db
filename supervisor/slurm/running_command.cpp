// SPDX-License-Identifier: Apache-2.0
#include "slurm/command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr std::size_t output_limit_bytes = 32u << 20;   // a thousand array tasks in full are 1.3 MB
constexpr std::size_t errors_limit_bytes = 1u << 20;
constexpr double look_again_seconds = 0.05, look_again_soon_seconds = 0.001;   // for an exit: no descriptor tells of it
constexpr double kill_seconds = 1;                      // a killed process still there after that hangs in the kernel
constexpr int not_found = 127, not_executable = 126;

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

// In the child. It dies with its parent: nobody would read its answer.
[[noreturn]] void become(char** words, char** environment, const char* directory, int output, int errors,
                         pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) _exit(not_executable);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  if (*directory && ::chdir(directory) != 0) {
    ::dprintf(STDERR_FILENO, "cannot run in %s: %s\n", directory, std::strerror(errno));
    _exit(not_executable);
  }
  ::execvpe(words[0], words, environment);
  _exit(errno == ENOENT ? not_found : not_executable);
}

pid_t wait_for(pid_t pid, int& status, int options) {
  pid_t ended = 0;
  while ((ended = ::waitpid(pid, &status, options)) < 0 && errno == EINTR) {}
  return ended;
}

}  // namespace

RunningCommand::RunningCommand(Clock& clock, const Command& command, double timeout_seconds)
    : clock_(clock), started_(clock.monotonic_seconds()), until_(started_ + timeout_seconds) {
  if (start(command)) return;
  errors_.text = "cannot start a process: " + errno_text(errno);
  note_exit(not_executable << 8);
}

RunningCommand::~RunningCommand() {
  if (!ended_) kill_and_reap();
  for (const int fd : {output_.fd, errors_.fd, waiting_})
    if (fd >= 0) ::close(fd);
}

bool RunningCommand::start(const Command& command) {
  waiting_ = ::epoll_create1(EPOLL_CLOEXEC);
  const int output = open_stream(output_), errors = open_stream(errors_);
  const bool started = output >= 0 && errors >= 0 && fork_and_exec(command, output, errors);
  const int error = errno;
  for (const int fd : {output, errors})
    if (fd >= 0) ::close(fd);
  errno = error;
  return started;
}

// The end that the command writes to.
int RunningCommand::open_stream(Stream& stream) {
  int ends[2];
  if (waiting_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) return -1;
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  stream.fd = ends[0];
  epoll_event event{.events = EPOLLIN, .data = {.fd = stream.fd}};
  ::epoll_ctl(waiting_, EPOLL_CTL_ADD, stream.fd, &event);
  return ends[1];
}

// fork, not posix_spawn: the latter waits for exec, and that for a dead file system where the commands may live.
bool RunningCommand::fork_and_exec(const Command& command, int output, int errors) {
  std::vector<char*> words = pointers(command.words), environment = pointers(command.environment);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(words.data(), environment.data(), command.directory.c_str(), output, errors, parent);
  if (pid_ > 0) ::setpgid(pid_, pid_);   // in both, so that it holds before either goes on
  return pid_ > 0;
}

void RunningCommand::note_exit(int wait_status) noexcept {
  ended_ = true;
  wait_status_ = wait_status;
}

void RunningCommand::read_all(Stream& stream, std::size_t size_limit_bytes) {
  char buffer[1u << 16];
  while (stream.fd >= 0) {
    const ssize_t length = ::read(stream.fd, buffer, sizeof buffer);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
      ::close(stream.fd);   // leaves the epoll descriptor, too
      stream.fd = -1;
      return;
    }
    stream.text.append(buffer, static_cast<std::size_t>(length));
    stream.overflowed = stream.text.size() > size_limit_bytes;
    if (stream.overflowed) return;
  }
}

void RunningCommand::kill_and_reap() noexcept {
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);   // before it made its group
  ended_ = true;
  const double give_up = clock_.monotonic_seconds() + kill_seconds;
  while (wait_for(pid_, wait_status_, WNOHANG) == 0 && clock_.monotonic_seconds() < give_up) ::usleep(1000);
}

std::optional<Answer> RunningCommand::take() {
  read_all(output_, output_limit_bytes);
  read_all(errors_, errors_limit_bytes);
  if (output_.overflowed || errors_.overflowed) {
    if (!ended_) kill_and_reap();
    output_.text.clear();
    errors_.text = "it does not stop talking";
    return conclude(Ending::failed);
  }
  if (ended_) {
    const int code = WIFSIGNALED(wait_status_) ? 128 + WTERMSIG(wait_status_) : WEXITSTATUS(wait_status_);
    Answer answer = conclude(code == 0 ? Ending::succeeded : code == not_found ? Ending::missing : Ending::failed);
    answer.exit_code = code;
    return answer;
  }
  if (clock_.monotonic_seconds() < until_) return std::nullopt;
  kill_and_reap();
  return conclude(Ending::timed_out);
}

Answer RunningCommand::conclude(Ending ending) {
  return {ending, 0, clock_.monotonic_seconds() - started_, std::move(output_.text), std::move(errors_.text)};
}

Answer run_once(Clock& clock, const Command& command, double timeout_seconds) {
  RunningCommand running(clock, command, timeout_seconds);
  for (;;) {
    if (auto answer = running.take()) return *std::move(answer);
    const double pause = running.silent() ? look_again_soon_seconds : look_again_seconds;
    const double left = std::clamp(running.until() - clock.monotonic_seconds(), 0.0, pause);
    pollfd polled{running.fd(), POLLIN, 0};
    ::poll(&polled, 1, static_cast<int>(std::ceil(left * 1000)));
    int status = 0;   // stays 0 where SIGCHLD was inherited as ignored: then the exit code is lost, its text is not
    if (wait_for(running.pid(), status, WNOHANG) != 0) running.note_exit(status);
  }
}

Answer run(Clock& clock, const Command& command, const Attempts& attempts) {
  double pause = attempts.first_pause_seconds;
  for (unsigned attempt = 1;; ++attempt) {
    const double left = attempts.until - clock.monotonic_seconds();
    if (left <= 0) return {.ending = Ending::timed_out, .exit_code = 0, .seconds = 0, .output = {}, .errors = {}};
    Answer answer = run_once(clock, command, std::min(attempts.timeout_seconds, left));
    if (!is_transient(answer) || attempt >= attempts.count || pause >= attempts.until - clock.monotonic_seconds()) return answer;
    clock.sleep_seconds(pause);
    pause = std::min(2 * pause, attempts.longest_pause_seconds);
  }
}

}  // namespace ckpt::supervisor::slurm
