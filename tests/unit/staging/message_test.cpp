// SPDX-License-Identifier: Apache-2.0
#include "staging/message.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

namespace {

using namespace ckpt::staging;

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class Message>
Message from_program_and_back(const Message& message) {
  const auto decoded = decode_from_program(encode(FromProgram(message)));
  REQUIRE(decoded.has_value());
  return std::get<Message>(*decoded);
}

template <class Message>
Message from_ckptrun_and_back(const Message& message) {
  const auto decoded = decode_from_ckptrun(encode(FromCkptrun(message)));
  REQUIRE(decoded.has_value());
  return std::get<Message>(*decoded);
}

TEST_CASE("a hello arrives as it was sent") {
  const Hello sent{.protocol = 1, .version = "0.1.0", .run_directory = "/scratch/run \"7\"\n", .block = 12, .rank = 3,
                   .pid = 4711};
  const Hello got = from_program_and_back(sent);
  CHECK(got.protocol == sent.protocol);
  CHECK(got.version == sent.version);
  CHECK(got.run_directory == sent.run_directory);
  CHECK(got.block == sent.block);
  CHECK(got.rank == sent.rank);
  CHECK(got.pid == sent.pid);
}

TEST_CASE("a status arrives as it was sent, what is unknown stays unknown") {
  const Status sent{.step = 1ull << 63, .done = 12.5, .total = 300, .unit = "epoch", .stall_seconds = 0.25,
                    .seconds_between_points = 0.001, .save_error = "no space left", .stop_in_seconds = 7.5};
  const Status got = from_program_and_back(sent);
  CHECK(got.step == sent.step);
  CHECK(got.done == sent.done);
  CHECK(got.total == sent.total);
  CHECK(got.unit == sent.unit);
  CHECK(got.stall_seconds == sent.stall_seconds);
  CHECK(got.seconds_between_points == sent.seconds_between_points);
  CHECK(got.save_error == sent.save_error);
  CHECK(got.stop_in_seconds == sent.stop_in_seconds);
  const Status empty = from_program_and_back(Status{});
  CHECK_FALSE(empty.step.has_value());
  CHECK_FALSE(empty.stop_in_seconds.has_value());
}

TEST_CASE("durable and outcome notices arrive as they were sent") {
  const auto durable = from_program_and_back(
      DurableNotice{.step = 7, .file_bytes = 1ull << 40, .state_bytes = 1ull << 41, .stall_seconds = 0.5,
                    .drain_seconds = 9});
  CHECK(durable.step == 7);
  CHECK(durable.file_bytes == 1ull << 40);
  CHECK(durable.state_bytes == 1ull << 41);
  CHECK(durable.stall_seconds == 0.5);
  CHECK(durable.drain_seconds == 9);
  for (const auto outcome : {ProgramOutcome::finished, ProgramOutcome::stopped, ProgramOutcome::failed}) {
    const auto got = from_program_and_back(OutcomeNotice{.outcome = outcome, .step = 9, .reason = "time"});
    CHECK(got.outcome == outcome);
    CHECK(got.step == 9u);
    CHECK(got.reason == "time");
  }
}

TEST_CASE("a welcome arrives as it was sent, with no limit as well as with one") {
  const Welcome sent{.accepted = true, .reason = "", .block_seconds = 86400, .seconds_to_end = 3600.5,
                     .seconds_to_deadline = -2, .config = {{"keep", "3"}, {"mtbf", "24h"}, {"keep", "4"}}};
  const Welcome got = from_ckptrun_and_back(sent);
  CHECK(got.accepted);
  CHECK(got.block_seconds == 86400);
  CHECK(got.seconds_to_end == 3600.5);
  CHECK(got.seconds_to_deadline == -2);
  CHECK(got.config == sent.config);
  const Welcome unlimited = from_ckptrun_and_back(Welcome{.accepted = false, .reason = "pid 7 is served"});
  CHECK_FALSE(unlimited.accepted);
  CHECK(unlimited.reason == "pid 7 is served");
  CHECK(unlimited.block_seconds == infinity);
  CHECK(unlimited.seconds_to_end == infinity);
  CHECK(unlimited.seconds_to_deadline == infinity);
}

TEST_CASE("requests and moved ends arrive as they were sent") {
  const auto time = from_ckptrun_and_back(TimeNotice{.seconds_to_end = 10, .seconds_to_deadline = infinity});
  CHECK(time.seconds_to_end == 10);
  CHECK(time.seconds_to_deadline == infinity);
  CHECK(from_ckptrun_and_back(StopRequest{"SIGTERM to ckptrun"}).reason == "SIGTERM to ckptrun");
  from_ckptrun_and_back(SaveRequest{});
}

TEST_CASE("what is not a number does not become one") {
  const Status got = from_program_and_back(Status{.stall_seconds = std::nan(""), .stop_in_seconds = infinity});
  CHECK(got.stall_seconds == 0);
  CHECK_FALSE(got.stop_in_seconds.has_value());
}

TEST_CASE("bytes that are not UTF-8 are replaced, the rest of the message arrives") {
  const Hello got = from_program_and_back(Hello{.version = "0.1.0", .run_directory = "/run/\xff\xfe", .block = 5});
  CHECK(got.block == 5);
  CHECK_THAT(got.run_directory, Catch::StartsWith("/run/"));
}

TEST_CASE("unknown keys are ignored, absent ones keep their meaning") {
  const auto got = decode_from_program(R"({"type":"status","colour":"blue","done":3})");
  REQUIRE(got.has_value());
  CHECK(std::get<Status>(*got).done == 3);
}

TEST_CASE("a hello without a protocol is of none") {
  const auto got = decode_from_program(R"({"type":"hello","block":1})");
  REQUIRE(got.has_value());
  CHECK(std::get<Hello>(*got).protocol != station_protocol);
}

TEST_CASE("what does not parse is no message") {
  const char* malformed[] = {
      "", "{", "[]", "null", "7", "\"hello\"", "{}", R"({"type":7})", R"({"type":"nonsense"})", R"({"type":"hello"} x)",
      R"({"type":"hello","block":-1})", R"({"type":"hello","block":1.5})", R"({"type":"hello","block":"1"})",
      R"({"type":"hello","block":1e99})", R"({"type":"hello","run_directory":7})", R"({"type":"hello","pid":[]})",
      R"({"type":"hello","protocol":"one"})", R"({"type":"status","step":-1})", R"({"type":"status","done":"half"})",
      R"({"type":"outcome"})", R"({"type":"outcome","outcome":"splendid"})", R"({"type":"durable","step":null})",
      "{\"type\":\"status\",\"unit\":\"\xff\"}"};
  for (const char* packet : malformed) {
    INFO(packet);
    CHECK_FALSE(decode_from_program(packet).has_value());
    CHECK_FALSE(decode_from_ckptrun(packet).has_value());
  }
  for (const char* packet : {R"({"type":"welcome","accepted":1})", R"({"type":"welcome","config":{"a":"b"}})",
                             R"({"type":"welcome","config":[["a"]]})", R"({"type":"welcome","config":[[1,2]]})",
                             R"({"type":"time","seconds_to_end":"soon"})", R"({"type":"stop","reason":1})"}) {
    INFO(packet);
    CHECK_FALSE(decode_from_ckptrun(packet).has_value());
  }
}

TEST_CASE("deeply nested nonsense is refused without harm") {
  CHECK_FALSE(decode_from_program(std::string(packet_limit_bytes, '[')).has_value());
  const std::string nested = std::string(30000, '[') + std::string(30000, ']');
  CHECK_FALSE(decode_from_program(R"({"type":"status","unit":)" + nested + "}").has_value());
}

TEST_CASE("each side understands only what is meant for it") {
  CHECK_FALSE(decode_from_ckptrun(encode(FromProgram(Hello{}))).has_value());
  CHECK_FALSE(decode_from_program(encode(FromCkptrun(SaveRequest{}))).has_value());
}

}  // namespace
