// SPDX-License-Identifier: Apache-2.0
#include "staging/station.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <future>
#include <set>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "staging/message.hpp"

namespace {

using namespace ckpt::staging;

constexpr double patience_seconds = 20;   // a bound for a broken build, never reached

void wait_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  REQUIRE(::poll(&readable, 1, static_cast<int>(patience_seconds * 1000)) == 1);
}

Connection accept_one(StationServer& server) {
  wait_readable(server.fd());
  auto connection = server.accept();
  REQUIRE(connection.has_value());
  return std::move(*connection);
}

FromProgram next_from_program(Connection& connection) {
  wait_readable(connection.fd());
  auto message = connection.receive_from_program();
  REQUIRE(message.has_value());
  return *message;
}

FromCkptrun next_from_ckptrun(Connection& connection) {
  wait_readable(connection.fd());
  auto message = connection.receive_from_ckptrun();
  REQUIRE(message.has_value());
  return *message;
}

// A program and a ckptrun in two threads, past hello and welcome.
struct Pair {
  StationServer server;
  std::optional<Connection> ckptrun;
  std::optional<Attached> program;
  Hello hello;

  explicit Pair(const Welcome& welcome = {.accepted = true}) {
    auto attaching = std::async(std::launch::async, [this] {
      return attach_to_station(server.address(), {.version = "0.1.0", .block = 3, .pid = ::getpid()}, patience_seconds);
    });
    ckptrun.emplace(accept_one(server));
    hello = std::get<Hello>(next_from_program(*ckptrun));
    REQUIRE(ckptrun->send(welcome));
    program.emplace(attaching.get());
  }
};

ckpt::Error error_of_attaching(const std::string& address, double timeout_seconds = patience_seconds) {
  try {
    attach_to_station(address, {}, timeout_seconds);
  } catch (const ckpt::Error& error) {
    return error;
  }
  FAIL("attached to " << address);
  throw;
}

// A socket that speaks no protocol.
int connect_raw(const std::string& address) {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path + 1, address.data() + 1, address.size() - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), length) == 0) return fd;
  ::close(fd);
  return -1;
}

TEST_CASE("a program says hello and is welcomed") {
  Pair pair({.accepted = true, .block_seconds = 60, .seconds_to_end = 42, .config = {{"keep", "3"}}});
  CHECK(pair.hello.protocol == station_protocol);
  CHECK(pair.hello.block == 3);
  CHECK(pair.hello.pid == ::getpid());
  CHECK(pair.program->welcome.accepted);
  CHECK(pair.program->welcome.block_seconds == 60);
  CHECK(pair.program->welcome.seconds_to_end == 42);
  CHECK(pair.program->welcome.config.size() == 1);
  CHECK(pair.ckptrun->peer_pid() == ::getpid());
}

TEST_CASE("a refusal arrives with its reason") {
  Pair pair({.accepted = false, .reason = "pid 12 is served"});
  CHECK_FALSE(pair.program->welcome.accepted);
  CHECK(pair.program->welcome.reason == "pid 12 is served");
}

TEST_CASE("save, stop and time requests arrive in order") {
  Pair pair;
  REQUIRE(pair.ckptrun->send(SaveRequest{}));
  REQUIRE(pair.ckptrun->send(TimeNotice{.seconds_to_end = 5}));
  REQUIRE(pair.ckptrun->send(StopRequest{"SIGTERM"}));
  CHECK(std::holds_alternative<SaveRequest>(next_from_ckptrun(pair.program->connection)));
  CHECK(std::get<TimeNotice>(next_from_ckptrun(pair.program->connection)).seconds_to_end == 5);
  CHECK(std::get<StopRequest>(next_from_ckptrun(pair.program->connection)).reason == "SIGTERM");
}

TEST_CASE("status, durable and outcome arrive in order") {
  Pair pair;
  REQUIRE(pair.program->connection.send(Status{.step = 4}));
  REQUIRE(pair.program->connection.send(DurableNotice{.step = 4}));
  REQUIRE(pair.program->connection.send(OutcomeNotice{.outcome = ProgramOutcome::stopped}));
  CHECK(std::get<Status>(next_from_program(*pair.ckptrun)).step == 4u);
  CHECK(std::get<DurableNotice>(next_from_program(*pair.ckptrun)).step == 4);
  CHECK(std::get<OutcomeNotice>(next_from_program(*pair.ckptrun)).outcome == ProgramOutcome::stopped);
}

TEST_CASE("nothing to receive is nothing, and the other side is still there") {
  Pair pair;
  CHECK_FALSE(pair.ckptrun->receive_from_program().has_value());
  CHECK(pair.ckptrun->open());
  CHECK_FALSE(pair.program->connection.receive_from_ckptrun().has_value());
  CHECK(pair.program->connection.open());
}

TEST_CASE("the death of the program is an end of file for ckptrun") {
  Pair pair;
  pair.program.reset();
  wait_readable(pair.ckptrun->fd());
  CHECK_FALSE(pair.ckptrun->receive_from_program().has_value());
  CHECK_FALSE(pair.ckptrun->open());
  CHECK(pair.ckptrun->fd() == -1);
  CHECK_FALSE(pair.ckptrun->send(SaveRequest{}));
  CHECK_FALSE(pair.ckptrun->receive_from_program().has_value());
}

TEST_CASE("the death of ckptrun is an end of file for the program") {
  Pair pair;
  pair.ckptrun.reset();
  wait_readable(pair.program->connection.fd());
  CHECK_FALSE(pair.program->connection.receive_from_ckptrun().has_value());
  CHECK_FALSE(pair.program->connection.open());
}

TEST_CASE("a program's last words arrive although it died without reading") {
  Pair pair;
  REQUIRE(pair.ckptrun->send(SaveRequest{}));   // never read: its death resets the connection
  REQUIRE(pair.program->connection.send(OutcomeNotice{.outcome = ProgramOutcome::finished, .step = 9}));
  pair.program.reset();
  SECTION("when ckptrun only listens") {}
  SECTION("when ckptrun spoke into the void first") { CHECK_FALSE(pair.ckptrun->send(SaveRequest{})); }
  const auto message = pair.ckptrun->receive_from_program();
  REQUIRE(message.has_value());
  CHECK(std::get<OutcomeNotice>(*message).step == 9u);
  CHECK_FALSE(pair.ckptrun->receive_from_program().has_value());
  CHECK_FALSE(pair.ckptrun->open());
}

TEST_CASE("speaking to who has just died is no signal, and no message") {
  Pair pair;
  pair.program.reset();
  CHECK_FALSE(pair.ckptrun->send(SaveRequest{}));
  CHECK_FALSE(pair.ckptrun->send(SaveRequest{}));
  CHECK_FALSE(pair.ckptrun->receive_from_program().has_value());
  CHECK_FALSE(pair.ckptrun->open());
}

TEST_CASE("who does not read loses messages and is not taken for dead") {
  Pair pair;
  int sent = 0;
  while (pair.ckptrun->send(SaveRequest{})) REQUIRE(++sent < 1'000'000);
  CHECK(pair.ckptrun->open());
  next_from_ckptrun(pair.program->connection);
  CHECK(pair.ckptrun->send(SaveRequest{}));
  int received = 1;
  while (pair.program->connection.receive_from_ckptrun()) ++received;
  CHECK(received == sent + 1);
  CHECK(pair.program->connection.open());
}

TEST_CASE("a message beyond the packet limit is not sent and does no harm") {
  Pair pair;
  CHECK_FALSE(pair.ckptrun->send(StopRequest{std::string(packet_limit_bytes, 'x')}));
  CHECK(pair.ckptrun->send(StopRequest{"short"}));
  CHECK(std::get<StopRequest>(next_from_ckptrun(pair.program->connection)).reason == "short");
}

TEST_CASE("the largest message arrives whole") {
  Pair pair;
  const std::string reason(packet_limit_bytes - encode(FromCkptrun(StopRequest{})).size(), 'x');
  REQUIRE(pair.ckptrun->send(StopRequest{reason}));
  CHECK(std::get<StopRequest>(next_from_ckptrun(pair.program->connection)).reason == reason);
}

TEST_CASE("a peer that sends nonsense, an empty or an oversized packet is gone") {
  const std::string hello = encode(FromProgram(Hello{}));
  const std::string oversized = hello + std::string(packet_limit_bytes + 1 - hello.size(), ' ');   // else it would parse
  const std::string not_for_ckptrun = encode(FromCkptrun(SaveRequest{}));
  const std::string packets[] = {"nonsense", "", oversized, not_for_ckptrun};
  for (const std::string& packet : packets) {
    StationServer server;
    const int raw = connect_raw(server.address());
    REQUIRE(raw >= 0);
    Connection connection = accept_one(server);
    REQUIRE(::send(raw, packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size()));
    wait_readable(connection.fd());
    CHECK_FALSE(connection.receive_from_program().has_value());
    CHECK_FALSE(connection.open());
    char byte = 0;
    CHECK(::recv(raw, &byte, 1, 0) <= 0);   // hung up
    ::close(raw);
  }
}

TEST_CASE("a station that answers with nonsense is as good as gone") {
  StationServer server;
  auto attaching = std::async(std::launch::async, [&] { return error_of_attaching(server.address()); });
  Connection connection = accept_one(server);
  next_from_program(connection);
  REQUIRE(::send(connection.fd(), "welcome!", 8, 0) == 8);
  const ckpt::Error error = attaching.get();
  CHECK(error.status() == CKPT_ERR_STATION);
}

TEST_CASE("requests that overtake the welcome do not stand in its way") {
  StationServer server;
  auto attaching = std::async(std::launch::async,
                              [&] { return attach_to_station(server.address(), {}, patience_seconds); });
  Connection connection = accept_one(server);
  REQUIRE(connection.send(SaveRequest{}));
  REQUIRE(connection.send(Welcome{.accepted = true}));
  CHECK(attaching.get().welcome.accepted);
}

TEST_CASE("a station that is gone is told with the remedy") {
  std::string address;
  {
    StationServer server;
    address = server.address();
  }
  const ckpt::Error error = error_of_attaching(address);
  CHECK(error.status() == CKPT_ERR_STATION);
  CHECK_THAT(error.what(), Catch::Contains(address) && Catch::Contains("is gone") &&
                               Catch::Contains("start the program with ckptrun again"));
}

TEST_CASE("a ckptrun that dies before the welcome is told as gone") {
  StationServer server;
  auto attaching = std::async(std::launch::async, [&] { return error_of_attaching(server.address()); });
  { const Connection connection = accept_one(server); }
  CHECK_THAT(attaching.get().what(), Catch::Contains("is gone"));
}

TEST_CASE("a station that does not answer is given up") {
  StationServer server;   // nobody accepts
  const ckpt::Error error = error_of_attaching(server.address(), 0.05);
  CHECK(error.status() == CKPT_ERR_STATION);
  CHECK_THAT(error.what(), Catch::Contains("does not answer"));
}

TEST_CASE("a station whose queue is full is given up") {
  StationServer server;
  std::vector<int> waiting;
  for (int i = 0; i < 200; ++i) {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path + 1, server.address().data() + 1, server.address().size() - 1);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + server.address().size());
    waiting.push_back(fd);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), length) != 0) break;
  }
  REQUIRE(waiting.size() < 200);
  CHECK_THAT(error_of_attaching(server.address(), 0.05).what(), Catch::Contains("does not answer"));
  for (const int fd : waiting) ::close(fd);
}

TEST_CASE("what is no station's address is refused as such") {
  const std::string addresses[] = {"", "@", "/tmp/socket", "@" + std::string(200, 'x')};
  for (const std::string& address : addresses) {
    INFO(address);
    const ckpt::Error error = error_of_attaching(address);
    CHECK(error.status() == CKPT_ERR_STATION);
    CHECK_THAT(error.what(), Catch::Contains("CKPT_STATION"));
  }
}

TEST_CASE("every station has an address of its own") {
  StationServer one, other;
  CHECK(one.address() != other.address());
  CHECK_THAT(one.address(), Catch::StartsWith("@ckptrun-" + std::to_string(::getpid()) + "-"));
}

TEST_CASE("nobody at the door is nobody") {
  StationServer server;
  CHECK_FALSE(server.accept().has_value());
}

TEST_CASE("sockets are not inherited by programs that are started") {
  Pair pair;
  for (const int fd : {pair.server.fd(), pair.ckptrun->fd(), pair.program->connection.fd()}) {
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("a moved connection leaves nothing behind that could be closed twice") {
  Pair pair;
  Connection moved = std::move(*pair.ckptrun);
  CHECK(pair.ckptrun->fd() == -1);
  CHECK_FALSE(pair.ckptrun->send(SaveRequest{}));
  pair.ckptrun.reset();
  CHECK(moved.send(SaveRequest{}));
  next_from_ckptrun(pair.program->connection);
}

// Connects as another user, in a child; its exit code says what became of it.
int outcome_as_another_user(const std::string& address) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(3);
    const int fd = connect_raw(address);
    if (fd < 0) ::_exit(2);
    char byte = 0;
    ::_exit(::recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);   // 0: hung up on
  }
  return child;
}

TEST_CASE("another user's process is refused at the door") {
  if (::geteuid() != 0) {
    std::puts("SKIPPED: only root can try to be somebody else");
    return;
  }
  StationServer server;
  const pid_t child = outcome_as_another_user(server.address());
  wait_readable(server.fd());
  CHECK_FALSE(server.accept().has_value());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a program does not trust another user's station") {
  if (::geteuid() != 0) {
    std::puts("SKIPPED: only root can try to be somebody else");
    return;
  }
  StationServer server;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(3);
    try {
      attach_to_station(server.address(), {}, patience_seconds);
    } catch (const ckpt::Error& error) {
      ::_exit(std::string(error.what()).find("another user") != std::string::npos ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
