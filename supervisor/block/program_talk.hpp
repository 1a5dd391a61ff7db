// SPDX-License-Identifier: Apache-2.0
// ckptrun's side of the station during one block: one program is served, the others that connect run inert.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "staging/station.hpp"

namespace ckpt::supervisor {

// What the served programs of this block told, the newest of each kind.
struct ProgramNews {
  std::optional<staging::Status> status;
  std::optional<staging::DurableNotice> durable;
  std::optional<staging::OutcomeNotice> outcome;
  std::uint64_t durable_count = 0;      // in this block
  std::uint64_t served_count = 0;       // programs that were accepted
  std::int64_t served_pid = 0;          // the newest of them
};

class ProgramTalk {
 public:
  // `welcome` is asked when a program is accepted: it carries the seconds that are left then.
  explicit ProgramTalk(std::function<staging::Welcome()> welcome) : welcome_(std::move(welcome)) {}

  const std::string& address() const noexcept { return server_.address(); }
  void add_to(std::vector<pollfd>& polled) const;
  // Takes what has arrived, never blocks. True when there is news.
  bool handle();

  bool serving() const noexcept { return served_ && served_->open(); }
  const ProgramNews& news() const noexcept { return news_; }

  // Kept until somebody is served; a stop is also told to each program served later. Each is sent once.
  void request_stop(const std::string& reason);
  bool stop_told() const noexcept { return stop_told_; }    // to at least one program
  void request_save();
  void tell_time(const staging::TimeNotice& time);          // who is served later learns it from the welcome

 private:
  void accept_newcomers();
  void hear_newcomers();
  bool hear_served();
  void answer(staging::Connection newcomer);
  void take(const staging::FromProgram& message);
  void tell_stop();

  std::function<staging::Welcome()> welcome_;
  staging::StationServer server_;
  std::vector<staging::Connection> newcomers_;     // have not said hello yet
  std::vector<staging::Connection> refused_;       // kept open: closing would look like the death of ckptrun
  std::optional<staging::Connection> served_;
  std::optional<std::string> stop_reason_;
  bool stop_told_ = false, save_wanted_ = false;
  ProgramNews news_;
};

}  // namespace ckpt::supervisor
