// SPDX-License-Identifier: Apache-2.0
// The talk between a program and the ckptrun that started it: a Unix socket (SOCK_SEQPACKET, abstract name: nothing in a
// directory, nothing left behind), one JSON object per packet. Peer credentials refuse other users. End of file is the
// death of the other side. All calls are non-blocking unless they name a time; single-threaded per object.
//
//   program -> ckptrun   hello, status (at most one a second, when something changed), durable, outcome
//   ckptrun -> program   welcome, time (when the end moves), save, stop
//
// Times travel as seconds left, never as clock readings.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ckpt::staging {

constexpr int station_protocol = 1;

struct Hello {
  int protocol = station_protocol;
  std::string version{};         // of libckpt
  std::string run_directory{};
  std::uint64_t block = 0;
  std::uint64_t rank = 0;
  std::int64_t pid = 0;          // as the program sees itself; the peer credentials outrank it
};
struct Status {
  std::optional<std::uint64_t> step{};       // newest safe point
  double done = 0, total = 0;                // ckpt_progress; total <= 0: unknown
  std::string unit{};
  double stall_seconds = 0;                  // sum over this block
  double seconds_between_points = 0;         // 0: not measured yet
  std::string save_error{};                  // why the last save failed, or empty
  std::optional<double> stop_in_seconds{};   // when the program expects to stop
};
struct DurableNotice {
  std::uint64_t step = 0;
  std::uint64_t file_bytes = 0, state_bytes = 0;
  double stall_seconds = 0, drain_seconds = 0;
};
enum class ProgramOutcome { finished, stopped, failed };
struct OutcomeNotice {                       // also written to the end record; this one is faster
  ProgramOutcome outcome = ProgramOutcome::failed;
  std::optional<std::uint64_t> step{};
  std::string reason{};
};

struct Welcome {
  bool accepted = false;                     // false: another program is served; run inert
  std::string reason{};                      // why not
  double block_seconds = std::numeric_limits<double>::infinity();       // whole length of the block
  double seconds_to_end = std::numeric_limits<double>::infinity();      // until it is killed
  double seconds_to_deadline = std::numeric_limits<double>::infinity(); // until everything must be durable
  std::vector<std::pair<std::string, std::string>> config{};            // keys of ckpt_config_set
};
struct TimeNotice {
  double seconds_to_end = std::numeric_limits<double>::infinity();
  double seconds_to_deadline = std::numeric_limits<double>::infinity();
};
struct SaveRequest {};
struct StopRequest { std::string reason{}; };  // "SIGTERM to ckptrun", "ckpt stop by alice"

using FromProgram = std::variant<Hello, Status, DurableNotice, OutcomeNotice>;
using FromCkptrun = std::variant<Welcome, TimeNotice, SaveRequest, StopRequest>;

// One end of an accepted connection. A peer that sends what does not parse is treated as gone.
class Connection {
 public:
  explicit Connection(int fd) noexcept : fd_(fd) {}
  ~Connection();
  Connection(Connection&& other) noexcept : fd_(other.fd_), open_(other.open_) { other.fd_ = -1; other.open_ = false; }
  Connection& operator=(Connection&&) = delete;

  int fd() const noexcept { return fd_; }            // to poll for reading; -1 after close
  bool open() const noexcept { return open_; }       // false once a receive found the other side gone
  // False: not sent, because the other side is gone or does not read. Receiving tells which, after its last words.
  bool send(const FromProgram& message) noexcept;
  bool send(const FromCkptrun& message) noexcept;
  std::optional<FromProgram> receive_from_program() noexcept;   // nullopt: nothing there (or gone: ask open())
  std::optional<FromCkptrun> receive_from_ckptrun() noexcept;
  std::int64_t peer_pid() const noexcept;            // 0 when unknown

 private:
  std::optional<std::string> receive_packet() noexcept;
  bool send_packet(const std::string& packet) noexcept;
  void hang_up() noexcept;
  int fd_;
  bool open_ = true;
};

// ckptrun's side.
class StationServer {
 public:
  StationServer();                                   // binds a fresh abstract name; throws CKPT_ERR_STATION
  ~StationServer();
  StationServer(const StationServer&) = delete;
  const std::string& address() const noexcept { return address_; }   // the value of CKPT_STATION
  int fd() const noexcept { return fd_; }            // readable: somebody connects
  std::optional<Connection> accept() noexcept;       // nullopt: nobody, or another user's process (refused)

 private:
  int fd_ = -1;
  std::string address_;
};

// The program's side: connects, says hello, waits for the welcome. CKPT_ERR_STATION with the remedy.
struct Attached {
  Connection connection;
  Welcome welcome;
};
Attached attach_to_station(const std::string& address, const Hello& hello, double timeout_seconds);

}  // namespace ckpt::staging
