// SPDX-License-Identifier: Apache-2.0
#include "block/child.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

using namespace ckpt::supervisor;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/ckpt-child-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string script(const std::string& name, const std::string& text, mode_t mode = 0755) const {
    const std::string path = path_ / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

int wait_for(Child& child) {
  while (!child.ended()) {
    child.reap();
    ::usleep(1000);
  }
  return child.exit_code().value_or(-1);
}

int run(const std::vector<std::string>& command, const std::vector<std::string>& ours = {}) {
  const SignalInbox signals;
  Child child(find_program(command.front()).path, command, child_environment(ours), signals);
  REQUIRE(child.release() == 0);
  return wait_for(child);
}

int inheritable_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && !(flags & FD_CLOEXEC)) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a command without a slash is looked up in PATH, an absent one is 127") {
  CHECK(find_program("sh").error_exit_code == 0);
  CHECK(find_program("sh").path.front() == '/');
  CHECK(find_program("no-such-command-anywhere").error_exit_code == 127);
}

TEST_CASE("a path that is not there is 127, a folder or a file without the execute bit is 126") {
  const Folder folder;
  CHECK(find_program(folder.path() / "none").error_exit_code == 127);
  CHECK(find_program(folder.path()).error_exit_code == 126);
  CHECK(find_program(folder.script("text", "x", 0644)).error_exit_code == 126);
  CHECK(find_program(folder.script("tool", "x")).error_exit_code == 0);
}

TEST_CASE("a child is held until it is released, and its exit code is seen") {
  const Folder folder;
  const fs::path mark = folder.path() / "mark";
  const SignalInbox signals;
  const std::vector<std::string> command = {"sh", "-c", "touch '" + mark.string() + "'; exit 7"};
  Child child(find_program("sh").path, command, child_environment({}), signals);
  ::usleep(20000);
  CHECK_FALSE(fs::exists(mark));
  REQUIRE(child.release() == 0);
  CHECK(wait_for(child) == 7);
  CHECK(fs::exists(mark));
}

TEST_CASE("a child that was never released ends by itself") {
  const SignalInbox signals;
  pid_t pid = 0;
  {
    Child child("/bin/true", {"true"}, {}, signals);
    pid = child.pid();
  }
  int status = 0;
  CHECK(::waitpid(pid, &status, 0) == pid);
}

TEST_CASE("an interpreter that does not exist is reported as the errno of exec") {
  const Folder folder;
  const std::string script = folder.script("tool", "#!/no/such/interpreter\n");
  const SignalInbox signals;
  Child child(script, {script}, {}, signals);
  CHECK(child.release() == ENOENT);
  CHECK(wait_for(child) == 127);
}

TEST_CASE("a script without an interpreter line is run by the shell") {
  const Folder folder;
  CHECK(run({folder.script("tool", "exit 9\n")}) == 9);
}

TEST_CASE("the child starts with INT, USR1, USR2 and HUP ignored, PIPE as it was, and nothing blocked") {
  CHECK(run({"sh", "-c", "kill -USR1 $$; kill -USR2 $$; kill -INT $$; kill -HUP $$; exit 4"}) == 4);
  CHECK(run({"sh", "-c", "kill -PIPE $$"}) == -1);
  CHECK(run({"grep", "-q", "^SigBlk:.*0000000000000000$", "/proc/self/status"}) == 0);
}

TEST_CASE("a child inherits no descriptor of ours") {
  CHECK(run({"sh", "-c", "set -- /proc/$$/fd/*; exit $#"}) == inheritable_descriptors() + 1);   // the shell's own, to look there
}

TEST_CASE("a child killed by a signal is told apart from one that exits") {
  const SignalInbox signals;
  Child child("/bin/sh", {"sh", "-c", "kill -KILL $$"}, {}, signals);
  REQUIRE(child.release() == 0);
  wait_for(child);
  CHECK_FALSE(child.exit_code());
  CHECK(child.signal() == SIGKILL);
}
