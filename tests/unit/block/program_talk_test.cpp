// SPDX-License-Identifier: Apache-2.0
#include "block/program_talk.hpp"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

using namespace ckpt;
using namespace ckpt::supervisor;
using namespace ckpt::staging;

namespace {

Welcome some_welcome() {
  Welcome welcome;
  welcome.block_seconds = 100;
  welcome.seconds_to_end = 60;
  welcome.config = {{"keep", "3"}};
  return welcome;
}

// Attaching waits for the welcome, so the other side has to be heard meanwhile.
Attached attach(ProgramTalk& talk) {
  std::optional<Attached> attached;
  std::thread program([&] { attached.emplace(attach_to_station(talk.address(), Hello{}, 10)); });
  const auto served = talk.news().served_count;
  while (!attached) {
    std::vector<pollfd> polled;
    talk.add_to(polled);
    ::poll(polled.data(), polled.size(), 1);
    talk.handle();
    if (talk.news().served_count != served) break;
  }
  program.join();
  return std::move(*attached);
}

// Refused: nothing tells when, so the program's own answer ends the wait.
Welcome attach_and_be_refused(ProgramTalk& talk, std::optional<Attached>& kept) {
  std::atomic<bool> answered{false};
  std::thread program([&] {
    kept.emplace(attach_to_station(talk.address(), Hello{}, 10));
    answered = true;
  });
  while (!answered) talk.handle();
  program.join();
  return kept->welcome;
}

}  // namespace

TEST_CASE("the first program is served and gets its times and configuration") {
  ProgramTalk talk(some_welcome);
  const Attached program = attach(talk);
  CHECK(program.welcome.accepted);
  CHECK(program.welcome.seconds_to_end == 60);
  CHECK(program.welcome.config == some_welcome().config);
  CHECK(talk.serving());
  CHECK(talk.news().served_pid == ::getpid());
}

TEST_CASE("while one program is served, another one is refused and keeps its connection") {
  ProgramTalk talk(some_welcome);
  const Attached first = attach(talk);
  std::optional<Attached> second;
  const Welcome welcome = attach_and_be_refused(talk, second);
  CHECK_FALSE(welcome.accepted);
  CHECK_THAT(welcome.reason, Catch::Contains("already attached"));
  talk.handle();
  second->connection.receive_from_ckptrun();
  CHECK(second->connection.open());
  CHECK(talk.serving());
}

TEST_CASE("when the served program ends unfinished, the next one is served") {
  ProgramTalk talk(some_welcome);
  { const Attached first = attach(talk); }
  const Attached second = attach(talk);
  CHECK(second.welcome.accepted);
  CHECK(talk.news().served_count == 2);
}

TEST_CASE("after a finished program no other one is served") {
  ProgramTalk talk(some_welcome);
  {
    Attached first = attach(talk);
    first.connection.send(FromProgram{OutcomeNotice{ProgramOutcome::finished, 5, ""}});
  }
  std::optional<Attached> second;
  CHECK_THAT(attach_and_be_refused(talk, second).reason, Catch::Contains("complete"));
  REQUIRE(talk.news().outcome);
  CHECK(talk.news().outcome->step == 5u);
}

TEST_CASE("a stop requested before any program attached is told at attaching") {
  ProgramTalk talk(some_welcome);
  talk.request_stop("SIGTERM to ckptrun");
  CHECK_FALSE(talk.stop_told());
  Attached program = attach(talk);
  const auto message = program.connection.receive_from_ckptrun();
  REQUIRE(message);
  CHECK(std::get<StopRequest>(*message).reason == "SIGTERM to ckptrun");
  CHECK(talk.stop_told());
}

TEST_CASE("several stop requests are one") {
  ProgramTalk talk(some_welcome);
  Attached program = attach(talk);
  talk.request_stop("first");
  talk.request_stop("second");
  CHECK(std::get<StopRequest>(*program.connection.receive_from_ckptrun()).reason == "first");
  CHECK_FALSE(program.connection.receive_from_ckptrun());
}

TEST_CASE("a save asked for before any program attached is done once, by the first") {
  ProgramTalk talk(some_welcome);
  talk.request_save();
  {
    Attached first = attach(talk);
    CHECK(std::holds_alternative<SaveRequest>(*first.connection.receive_from_ckptrun()));
  }
  Attached second = attach(talk);
  CHECK_FALSE(second.connection.receive_from_ckptrun());
}

TEST_CASE("what a program says just before it dies is heard") {
  ProgramTalk talk(some_welcome);
  {
    Attached program = attach(talk);
    Status status;
    status.step = 7;
    program.connection.send(FromProgram{status});
    program.connection.send(FromProgram{DurableNotice{7, 100, 200, 0.5, 1.5}});
    program.connection.send(FromProgram{OutcomeNotice{ProgramOutcome::stopped, 7, "asked"}});
  }
  CHECK(talk.handle());
  CHECK_FALSE(talk.serving());
  CHECK(talk.news().status->step == 7u);
  CHECK(talk.news().durable->file_bytes == 100);
  CHECK(talk.news().durable_count == 1);
  CHECK(talk.news().outcome->outcome == ProgramOutcome::stopped);
}
