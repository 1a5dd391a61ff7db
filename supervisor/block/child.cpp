// SPDX-License-Identifier: Apache-2.0
#include "block/child.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"

namespace ckpt::supervisor {
namespace {

constexpr int not_executable = 126, not_found = 127, never_released = 125;

bool is_regular_file(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

// In the child. A script without "#!" is run by the shell, as every shell does.
void hold_and_exec(int hold, const std::string& path, char** arguments, char** environment) {
  char go = 0;
  if (::read(hold, &go, 1) != 1) _exit(never_released);
  execvpe(path.c_str(), arguments, environment);
  const int error = errno;
  [[maybe_unused]] ssize_t told = ::write(hold, &error, sizeof error);
  _exit(error == ENOENT ? not_found : not_executable);
}

}  // namespace

FoundProgram find_program(const std::string& word) {
  int code = not_found;
  auto look_at = [&](const std::string& path) {
    if (!is_regular_file(path)) return false;
    if (::access(path.c_str(), X_OK) == 0) return true;
    code = not_executable;
    return false;
  };
  if (word.find('/') != std::string::npos) {
    if (look_at(word)) return {word, 0};
    struct stat info{};
    return {word, ::stat(word.c_str(), &info) == 0 ? not_executable : not_found};
  }
  std::string path_variable = environment_variable("PATH");
  if (path_variable.empty()) path_variable = "/usr/bin:/bin";
  for (std::size_t at = 0; at <= path_variable.size();) {
    const std::size_t colon = std::min(path_variable.find(':', at), path_variable.size());
    const std::string folder = path_variable.substr(at, colon - at);
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + word;
    if (look_at(candidate)) return {candidate, 0};
    at = colon + 1;
  }
  return {word, code};
}

std::vector<std::string> child_environment(const std::vector<std::string>& ours) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry; ++entry) {
    const bool replaced = std::any_of(ours.begin(), ours.end(), [&](const auto& own) { return name_of(own) == name_of(*entry); });
    if (!replaced) result.emplace_back(*entry);
  }
  for (const auto& own : ours)
    if (own.find('=') != std::string::npos) result.push_back(own);
  return result;
}

Child::Child(const std::string& path, const std::vector<std::string>& command,
             const std::vector<std::string>& environment, const SignalInbox& signals,
             const std::function<void()>& in_child) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail_io(errno, "cannot start a process");
  const std::vector<char*> arguments = pointers(command), variables = pointers(environment);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::close(ends[0]);
    signals.prepare_child();
    if (in_child) in_child();
    hold_and_exec(ends[1], path, const_cast<char**>(arguments.data()), const_cast<char**>(variables.data()));
  }
  const int error = errno;
  ::close(ends[1]);
  hold_ = ends[0];
  if (pid_ > 0) return;
  ::close(hold_);
  fail(CKPT_ERR_MEMORY, "cannot start a process: {}", errno_text(error));
}

Child::~Child() {
  if (hold_ >= 0) ::close(hold_);
}

int Child::release() {
  int error = 0;
  const bool told = ::send(hold_, "g", 1, MSG_NOSIGNAL) == 1;   // it may have been killed meanwhile
  const ssize_t answer = told ? ::read(hold_, &error, sizeof error) : 0;   // end of file: exec has closed it
  ::close(hold_);
  hold_ = -1;
  return answer == sizeof error ? error : 0;
}

bool Child::reap(const std::function<void(pid_t, int)>& another) {
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (ended == pid_) wait_status_ = status;
    else if (another) another(ended, status);
  }
  return ended == 0;
}

std::optional<int> Child::exit_code() const noexcept {
  if (!wait_status_ || !WIFEXITED(*wait_status_)) return std::nullopt;
  return WEXITSTATUS(*wait_status_);
}

std::optional<int> Child::signal() const noexcept {
  if (!wait_status_ || !WIFSIGNALED(*wait_status_)) return std::nullopt;
  return WTERMSIG(*wait_status_);
}

}  // namespace ckpt::supervisor
