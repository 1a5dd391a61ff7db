// SPDX-License-Identifier: Apache-2.0
// The program's main process. Between fork and exec it is held, so that its record is on disk before its first
// instruction: whoever comes after a killed ckptrun sees it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "block/signal_inbox.hpp"

namespace ckpt::supervisor {

struct FoundProgram {
  std::string path;
  int error_exit_code = 0;   // 126: there but not executable, 127: not there; 0: found
};
// As a shell looks a command up: PATH, unless there is a '/' in the word.
FoundProgram find_program(const std::string& word);

// This process's environment without the variables in `ours` ("NAME=value"; without '=': unset), then `ours`.
std::vector<std::string> child_environment(const std::vector<std::string>& ours);

class Child {
 public:
  // Forks. Throws CKPT_ERR_MEMORY (processes, memory). The child ends by itself when this process dies before release().
  // `in_child` runs between fork and exec: no allocation, no lock.
  Child(const std::string& path, const std::vector<std::string>& command, const std::vector<std::string>& environment,
        const SignalInbox& signals, const std::function<void()>& in_child = {});
  ~Child();
  Child(const Child&) = delete;

  pid_t pid() const noexcept { return pid_; }
  int release();     // lets it exec; 0, or the errno of exec (then it has ended)

  // Reaps every child of this process that has ended, orphans taken over by the subreaper included; `another` gets those
  // that are not the program. False: none is left.
  bool reap(const std::function<void(pid_t, int wait_status)>& another = {});
  bool ended() const noexcept { return wait_status_.has_value(); }
  std::optional<int> exit_code() const noexcept;
  std::optional<int> signal() const noexcept;

 private:
  pid_t pid_ = -1;
  int hold_ = -1;
  std::optional<int> wait_status_;
};

}  // namespace ckpt::supervisor
