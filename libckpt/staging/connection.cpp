// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "staging/message.hpp"
#include "staging/station.hpp"

namespace ckpt::staging {

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

// A failed send does not close: what the other side said before it died (its outcome) is still there to be received.
bool Connection::send_packet(const std::string& packet) noexcept {
  if (!open_ || packet.size() > packet_limit_bytes) return false;
  ssize_t sent = 0;
  do sent = ::send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

bool Connection::send(const FromProgram& message) noexcept try {
  return send_packet(encode(message));
} catch (const std::exception&) {   // out of memory
  return false;
}

bool Connection::send(const FromCkptrun& message) noexcept try {
  return send_packet(encode(message));
} catch (const std::exception&) {
  return false;
}

void Connection::hang_up() noexcept {
  ::close(fd_);
  fd_ = -1;
  open_ = false;
}

std::optional<std::string> Connection::receive_packet() noexcept {
  if (!open_) return std::nullopt;
  char buffer[packet_limit_bytes];
  for (;;) {
    const ssize_t length = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
    if (length > 0 && static_cast<std::size_t>(length) <= sizeof buffer) {
      try {
        return std::string(buffer, static_cast<std::size_t>(length));
      } catch (const std::exception&) {
        return std::nullopt;
      }
    }
    // ECONNRESET comes once, when the other side died before it had read everything, and BEFORE its own last packets.
    if (length < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    hang_up();   // end of file, an oversized packet, or an error
    return std::nullopt;
  }
}

std::optional<FromProgram> Connection::receive_from_program() noexcept {
  const auto packet = receive_packet();
  if (!packet) return std::nullopt;
  auto message = decode_from_program(*packet);
  if (!message) hang_up();
  return message;
}

std::optional<FromCkptrun> Connection::receive_from_ckptrun() noexcept {
  const auto packet = receive_packet();
  if (!packet) return std::nullopt;
  auto message = decode_from_ckptrun(*packet);
  if (!message) hang_up();
  return message;
}

std::int64_t Connection::peer_pid() const noexcept {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (fd_ < 0 || ::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return 0;
  return peer.pid;
}

}  // namespace ckpt::staging
