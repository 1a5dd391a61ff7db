// SPDX-License-Identifier: Apache-2.0
#include "block/outcome.hpp"

#include <catch2/catch.hpp>
#include <csignal>

using namespace ckpt;
using namespace ckpt::supervisor;
using rundir::Outcome;

namespace {

Seen linked(std::optional<int> exit_code, std::optional<int> signal = std::nullopt) {
  Seen seen;
  seen.linked = true;
  seen.exit_code = exit_code;
  seen.signal = signal;
  return seen;
}

Seen wrapped(std::optional<int> exit_code, StopCause asked = StopCause::nobody, std::optional<int> signal = std::nullopt) {
  Seen seen = linked(exit_code, signal);
  seen.linked = false;
  seen.asked = asked;
  return seen;
}

rundir::BlockEnd recorded(Outcome outcome, std::uint64_t step) {
  rundir::BlockEnd end;
  end.outcome = outcome;
  end.step = step;
  end.writer = "program";
  return end;
}

}  // namespace

TEST_CASE("linked, recorded finished: complete, whatever the exit code") {
  for (const int code : {0, 1, 85}) {
    Seen seen = linked(code);
    seen.recorded = recorded(Outcome::finished, 12);
    CHECK(judge(seen).outcome == Outcome::finished);
    CHECK(judge(seen).reason == "finished at step 12");
  }
  Seen killed = linked(std::nullopt, SIGKILL);
  killed.recorded = recorded(Outcome::finished, 12);
  killed.killed = true;
  CHECK(judge(killed).outcome == Outcome::finished);
}

TEST_CASE("linked, recorded stopped: to be continued, whatever the exit code") {
  for (const int code : {0, 1, 85}) {
    Seen seen = linked(code);
    seen.recorded = recorded(Outcome::stopped, 12);
    CHECK(judge(seen).outcome == Outcome::stopped);
  }
}

TEST_CASE("linked, an outcome told over the station counts when the disk could not take its record") {
  Seen seen = linked(1);
  seen.told = staging::OutcomeNotice{staging::ProgramOutcome::finished, 9, ""};
  CHECK(judge(seen).outcome == Outcome::finished);
  seen.told = staging::OutcomeNotice{staging::ProgramOutcome::stopped, 9, "time is up"};
  CHECK(judge(seen).outcome == Outcome::stopped);
  CHECK(judge(seen).reason == "stopped at step 9: time is up");
}

TEST_CASE("linked, neither finished nor stopped: a crash, whatever the exit code") {
  for (const int code : {0, 1, 3, 85}) CHECK(judge(linked(code)).outcome == Outcome::crashed);
  CHECK(judge(linked(std::nullopt, SIGSEGV)).outcome == Outcome::crashed);
  CHECK(judge(linked(std::nullopt, SIGSEGV)).reason == "killed by SIGSEGV");
}

TEST_CASE("linked, exit code 0 without a recorded end is a crash whose reason hints at ckpt_finish") {
  CHECK_THAT(judge(linked(0)).reason, Catch::Contains("ckpt_finish"));
}

TEST_CASE("linked, the program's own word on why it failed is passed on") {
  Seen seen = linked(1);
  seen.told = staging::OutcomeNotice{staging::ProgramOutcome::failed, std::nullopt, "no whole snapshot is left"};
  CHECK(judge(seen).reason == "exit code 1: no whole snapshot is left");
}

TEST_CASE("linked, an end that unlock recorded does not hide how the program ended") {
  Seen seen = linked(1);
  seen.recorded = recorded(Outcome::abandoned, 3);
  CHECK(judge(seen).outcome == Outcome::crashed);
}

TEST_CASE("only wrapped: 85 is to be continued, asked or not") {
  CHECK(judge(wrapped(85)).outcome == Outcome::stopped);
  CHECK(judge(wrapped(85, StopCause::deadline)).outcome == Outcome::stopped);
  CHECK(judge(wrapped(85, StopCause::user)).outcome == Outcome::stopped);
}

TEST_CASE("only wrapped: 0 is complete when nobody asked it to stop") {
  CHECK(judge(wrapped(0)).outcome == Outcome::finished);
}

TEST_CASE("only wrapped: where --done-when was asked, 0 is complete only with its word") {
  for (const bool keeps_own : {false, true}) {
    Seen seen = wrapped(0);
    seen.keeps_own = keeps_own;
    seen.newer_checkpoint = "model-3.pt";
    seen.done = false;
    CHECK(judge(seen).outcome == Outcome::crashed);
    CHECK_THAT(judge(seen).reason, Catch::Contains("--done-when says that the work is not done"));
    seen.done = true;
    CHECK(judge(seen).outcome == Outcome::finished);
  }
}

TEST_CASE("only wrapped: asked to stop, 0 is complete with --done-when's word, and else what its checkpoints make of it") {
  Seen seen = wrapped(0, StopCause::deadline);
  seen.done = true;
  CHECK(judge(seen).outcome == Outcome::finished);
  seen.done = false;
  CHECK(judge(seen).outcome == Outcome::crashed);
  seen.keeps_own = true;
  seen.newer_checkpoint = "model-3.pt";
  CHECK(judge(seen).outcome == Outcome::stopped);
}

TEST_CASE("only wrapped: 0 after it was asked to stop is a crash, and the reason explains it") {
  const Verdict verdict = judge(wrapped(0, StopCause::deadline));
  CHECK(verdict.outcome == Outcome::crashed);
  CHECK_THAT(verdict.reason, Catch::Contains("not known") && Catch::Contains("85"));
}

TEST_CASE("only wrapped: anything else is a crash") {
  CHECK(judge(wrapped(3)).outcome == Outcome::crashed);
  CHECK(judge(wrapped(std::nullopt, StopCause::nobody, SIGTERM)).outcome == Outcome::crashed);
  CHECK(judge(wrapped(std::nullopt, StopCause::user, SIGTERM)).outcome == Outcome::crashed);
}

TEST_CASE("a program that was killed by us is a crash that says why") {
  Seen seen = wrapped(std::nullopt, StopCause::deadline, SIGKILL);
  seen.killed = true;
  CHECK_THAT(judge(seen).reason, Catch::Contains("time was up"));
  seen.asked = StopCause::user;
  CHECK_THAT(judge(seen).reason, Catch::Contains("asked to stop") && Catch::Contains("time was up"));
  seen.killed_at_once = true;
  CHECK_THAT(judge(seen).reason, Catch::Contains("at once"));
  seen.killed_at_once = false;
  seen.linked = true;
  seen.asked = StopCause::superseded;
  CHECK_THAT(judge(seen).reason, Catch::Contains("newer block"));
}

TEST_CASE("after a crash ckptrun exits with the program's code, 1 for 0, and 128 + n for signals") {
  BlockResult result;
  result.exit_code = 3;
  CHECK(exit_code_of_crash(result) == 3);
  result.exit_code = 0;
  CHECK(exit_code_of_crash(result) == 1);
  result.exit_code.reset();
  result.signal = SIGKILL;
  CHECK(exit_code_of_crash(result) == 137);
}

TEST_CASE("with its own checkpoints, asked to stop: to be continued where a newer whole one is there, however it ended") {
  Seen seen = wrapped(std::nullopt, StopCause::deadline, SIGTERM);
  seen.keeps_own = true;
  CHECK(judge(seen).outcome == Outcome::crashed);
  CHECK(judge(seen).reason == "killed by SIGTERM after it was asked to stop, without a newer whole checkpoint");
  seen.newer_checkpoint = "model-3.pt (epoch 3)";
  CHECK(judge(seen).outcome == Outcome::stopped);
  CHECK(judge(seen).reason == "stopped with model-3.pt (epoch 3), killed by SIGTERM");
  seen.killed = true;
  CHECK(judge(seen).outcome == Outcome::stopped);
}

TEST_CASE("with its own checkpoints, not asked: 0 is complete, 85 to be continued, anything else a crash") {
  for (const auto& [code, outcome] : {std::pair{0, Outcome::finished}, {85, Outcome::stopped}, {1, Outcome::crashed}}) {
    Seen seen = wrapped(code);
    seen.keeps_own = true;
    seen.newer_checkpoint = "last.pt";
    CHECK(judge(seen).outcome == outcome);
  }
}
