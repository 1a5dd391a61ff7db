// SPDX-License-Identifier: Apache-2.0
#include "block/process_tree.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

bool reap_all() {
  pid_t ended = 0;
  while ((ended = ::waitpid(-1, nullptr, WNOHANG)) > 0) {}
  return ended == 0;
}

// A process in a session of its own, whose parent has died; returns when it is there.
void start_orphan(void (*behaviour)()) {
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t middle = ::fork();
  if (middle == 0) {
    if (::fork() == 0) {
      ::setsid();
      ::signal(SIGTERM, SIG_DFL);   // not the test framework's handler
      behaviour();
      [[maybe_unused]] ssize_t told = ::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    _exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  ::close(ready[1]);
  ::waitpid(middle, nullptr, 0);
}

}  // namespace

TEST_CASE("descendants in sessions of their own, whose parents have died, are found and ended") {
  become_subreaper();
  start_orphan([] {});
  start_orphan([] {});
  CHECK(descendants().size() == 2);
  CHECK(end_descendants(system_clock(), 30, reap_all) == TreeEnd::ended);
  CHECK(descendants().empty());
}

TEST_CASE("a descendant that ignores TERM is killed after the grace") {
  become_subreaper();
  start_orphan([] { ::signal(SIGTERM, SIG_IGN); });
  CHECK(end_descendants(system_clock(), 0.05, reap_all) == TreeEnd::killed);
  CHECK(descendants().empty());
}

TEST_CASE("a stopped descendant gets its TERM at once") {
  become_subreaper();
  start_orphan([] {});
  ::kill(descendants().front(), SIGSTOP);
  const double start = system_clock().monotonic_seconds();
  CHECK(end_descendants(system_clock(), 60, reap_all) != TreeEnd::left);
  CHECK(system_clock().monotonic_seconds() - start < 60);
}

TEST_CASE("without children nothing is waited for") {
  CHECK(end_descendants(system_clock(), 60, reap_all) != TreeEnd::left);
}
