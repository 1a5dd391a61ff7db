// SPDX-License-Identifier: Apache-2.0
#include "block/signal_inbox.hpp"

#include <catch2/catch.hpp>

using namespace ckpt::supervisor;

TEST_CASE("TERM, INT, USR1, USR2 and HUP each ask for a stop, and the first one is the reason") {
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) {
    SignalInbox signals;
    signals.take(0);
    CHECK_FALSE(signals.stop_reason());
    ::raise(number);
    signals.take(0);
    ::raise(SIGTERM);
    signals.take(1);
    REQUIRE(signals.stop_reason());
    CHECK_THAT(*signals.stop_reason(), Catch::StartsWith(signal_name(number)));
    CHECK_FALSE(signals.stop_now());
  }
}

TEST_CASE("INT twice means now, but not when a launcher passed one key press on twice") {
  SignalInbox signals;
  ::raise(SIGINT);
  signals.take(10);
  ::raise(SIGINT);
  signals.take(10.1);
  CHECK_FALSE(signals.stop_now());
  ::raise(SIGINT);
  signals.take(11);
  CHECK(signals.stop_now());
}

TEST_CASE("TERM twice is one request") {
  SignalInbox signals;
  ::raise(SIGTERM);
  signals.take(0);
  ::raise(SIGTERM);
  signals.take(100);
  CHECK_FALSE(signals.stop_now());
}

TEST_CASE("the end of a terminal is no request where it is ignored, as nohup has it") {
  const auto before = signal(SIGHUP, SIG_IGN);
  SignalInbox signals;
  ::raise(SIGHUP);
  signals.take(0);
  CHECK_FALSE(signals.stop_reason());
  signal(SIGHUP, before);
}

TEST_CASE("a window of another size is no request, and told once") {
  SignalInbox signals;
  ::raise(SIGWINCH);
  signals.take(0);
  CHECK_FALSE(signals.stop_reason());
  CHECK(signals.take_window_change());
  CHECK_FALSE(signals.take_window_change());
}

TEST_CASE("the end of a child is no request") {
  SignalInbox signals;
  ::raise(SIGCHLD);
  signals.take(0);
  CHECK_FALSE(signals.stop_reason());
}
