// SPDX-License-Identifier: Apache-2.0
#include "staging/station.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ckpt::staging {
namespace {

constexpr int waiting_connections = 16;

struct SocketName {
  sockaddr_un name{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// "@ckptrun-…": abstract names begin with a zero byte, which people write as '@'.
SocketName socket_name(const std::string& address) {
  SocketName socket;
  if (address.size() < 2 || address[0] != '@' || address.size() > sizeof socket.name.sun_path) {
    fail(CKPT_ERR_STATION, "\"{}\" is not the address of a ckptrun: unset CKPT_STATION, ckptrun sets it", address);
  }
  socket.name.sun_family = AF_UNIX;
  std::memcpy(socket.name.sun_path + 1, address.data() + 1, address.size() - 1);
  socket.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  return socket;
}

std::string fresh_address() {
  std::uint64_t random = 0;
  if (::syscall(SYS_getrandom, &random, sizeof random, 0) != sizeof random) {   // by number: glibc before 2.25 has no getrandom()
    random = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  return fmt::format("@ckptrun-{}-{:016x}", ::getpid(), random);
}

bool is_same_user(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  if (peer.uid != ::geteuid()) log_debug("uid {} (pid {}) at the other end of the station", peer.uid, peer.pid);
  return peer.uid == ::geteuid();
}

int open_socket() {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(CKPT_ERR_STATION, "no socket for the talk between ckptrun and its program: {}", errno_text(errno));
  return fd;
}

// ---- the program's side -------------------------------------------------------------------------------------------

using Moment = std::chrono::steady_clock::time_point;

int milliseconds_until(Moment deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 3'600'000));
}

[[noreturn]] void fail_gone(const std::string& address) {
  fail(CKPT_ERR_STATION,
       "the ckptrun that started this program is gone (station {}): start the program with ckptrun again", address);
}

[[noreturn]] void fail_silent(const std::string& address, double timeout_seconds) {
  fail(CKPT_ERR_STATION,
       "the ckptrun that started this program does not answer within {:.3g} s (station {}): see whether it is stopped, "
       "or start the program with ckptrun again",
       timeout_seconds, address);
}

void connect_to(const Connection& connection, const std::string& address, Moment deadline, double timeout_seconds) {
  const SocketName socket = socket_name(address);
  while (::connect(connection.fd(), socket.get(), socket.length) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) fail_gone(address);
    if (milliseconds_until(deadline) == 0) fail_silent(address, timeout_seconds);   // its queue is full
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (!is_same_user(connection.fd())) {
    fail(CKPT_ERR_STATION, "the station {} belongs to another user: start the program with a ckptrun of your own",
         address);
  }
}

Welcome wait_for_welcome(Connection& connection, const std::string& address, Moment deadline, double timeout_seconds) {
  for (;;) {
    auto message = connection.receive_from_ckptrun();
    if (!connection.open()) fail_gone(address);
    if (message) {
      if (auto* welcome = std::get_if<Welcome>(&*message)) return std::move(*welcome);
      continue;
    }
    const int patience = milliseconds_until(deadline);
    if (patience == 0) fail_silent(address, timeout_seconds);
    pollfd readable{connection.fd(), POLLIN, 0};
    ::poll(&readable, 1, patience);
  }
}

}  // namespace

StationServer::StationServer() {
  fd_ = open_socket();
  int os_errno = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {   // the name is random: taken once is chance, thrice is not
    address_ = fresh_address();
    const SocketName socket = socket_name(address_);
    if (::bind(fd_, socket.get(), socket.length) == 0 && ::listen(fd_, waiting_connections) == 0) return;
    os_errno = errno;
    if (os_errno != EADDRINUSE) break;
  }
  ::close(fd_);
  fail(CKPT_ERR_STATION, "cannot listen for the program as {}: {}", address_, errno_text(os_errno));
}

StationServer::~StationServer() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<Connection> StationServer::accept() noexcept {
  int fd = -1;
  do fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) return std::nullopt;
  Connection connection(fd);   // closes what is refused
  if (!is_same_user(fd)) return std::nullopt;
  return connection;
}

Attached attach_to_station(const std::string& address, const Hello& hello, double timeout_seconds) {
  const auto patience = std::chrono::duration<double>(std::clamp(timeout_seconds, 0.0, 3600.0));
  const Moment deadline = std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(patience);
  Connection connection(open_socket());
  connect_to(connection, address, deadline, timeout_seconds);
  if (!connection.send(hello)) fail_gone(address);
  Welcome welcome = wait_for_welcome(connection, address, deadline, timeout_seconds);
  return {std::move(connection), std::move(welcome)};
}

}  // namespace ckpt::staging
