// SPDX-License-Identifier: Apache-2.0
#include "base/process_identity.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace ckpt;

namespace {

// A child of that name that waits to be ended; ended and waited for at the latest at the end of the scope.
class Child {
 public:
  explicit Child(const char* name = "child") {
    int named[2];
    REQUIRE(::pipe(named) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::prctl(PR_SET_NAME, name);
      ::close(named[0]);
      ::close(named[1]);
      for (;;) ::pause();
    }
    ::close(named[1]);
    char nothing;
    CHECK(::read(named[0], &nothing, 1) == 0);   // the end of the file: the child has its name
    ::close(named[0]);
  }
  ~Child() {
    kill();
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  // Until it is a zombie, which it stays.
  void await_death() {
    siginfo_t ignored;
    ::waitid(P_PID, static_cast<id_t>(pid_), &ignored, WEXITED | WNOWAIT);
  }
  void wait() {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("a running process is alive, as is the asking one") {
  const ProcessIdentity self = identify_self();
  CHECK(self.pid == ::getpid());
  CHECK(self.start_ticks > 0);
  CHECK_FALSE(self.boot_id.empty());
  CHECK_FALSE(self.host.empty());
  CHECK_FALSE(self.user.empty());
  CHECK(local_owner_state(self) == OwnerState::alive);
  const Child child;
  CHECK(local_owner_state(identify_process(child.pid())) == OwnerState::alive);
}

TEST_CASE("a process that ended is gone, waited for or not") {
  Child child;
  const ProcessIdentity who = identify_process(child.pid());
  REQUIRE(who.start_ticks > 0);
  child.kill();
  child.await_death();
  CHECK(local_owner_state(who) == OwnerState::gone);
  child.wait();
  CHECK(local_owner_state(who) == OwnerState::gone);
}

TEST_CASE("another process that got the same pid is not the owner") {
  ProcessIdentity who = identify_self();
  --who.start_ticks;
  CHECK(local_owner_state(who) == OwnerState::gone);
}

TEST_CASE("a command name with spaces and parentheses hides nothing") {
  const Child child(") Z 1 (");
  const ProcessIdentity who = identify_process(child.pid());
  CHECK(local_owner_state(who) == OwnerState::alive);
  CHECK(who.start_ticks >= identify_self().start_ticks);
}

TEST_CASE("a process of this machine's earlier boot is gone") {
  ProcessIdentity who = identify_self();
  if (who.machine_id.empty()) {
    WARN("skipped: this machine has no /etc/machine-id");
    return;
  }
  who.boot_id = "00000000-0000-0000-0000-000000000000";
  CHECK(local_owner_state(who) == OwnerState::gone);
}

TEST_CASE("what cannot be told is unknown, never gone") {
  ProcessIdentity who = identify_self();
  who.start_ticks = 1;   // gone, if it could be told
  SECTION("another pid namespace") { who.pid_namespace = "pid:[1]"; }
  SECTION("no pid namespace known") { who.pid_namespace.clear(); }
  SECTION("no boot known") { who.boot_id.clear(); }
  SECTION("another machine") {
    who.boot_id = "00000000-0000-0000-0000-000000000000";
    who.machine_id = "ffffffffffffffffffffffffffffffff";
  }
  SECTION("a machine without an id") {
    who.boot_id = "00000000-0000-0000-0000-000000000000";
    who.machine_id.clear();
  }
  SECTION("a clone of this machine under another name") {
    who.boot_id = "00000000-0000-0000-0000-000000000000";
    who.host = "elsewhere";
  }
  CHECK(local_owner_state(who) == OwnerState::unknown);
}

TEST_CASE("a process that is not there has no identity") {
  Child child;
  const pid_t pid = child.pid();
  child.kill();
  child.wait();
  CHECK(identify_process(pid).start_ticks == 0);
}
