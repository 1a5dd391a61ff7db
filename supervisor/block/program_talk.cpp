// SPDX-License-Identifier: Apache-2.0
#include "block/program_talk.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace ckpt::supervisor {

using namespace staging;

void ProgramTalk::add_to(std::vector<pollfd>& polled) const {
  polled.push_back({server_.fd(), POLLIN, 0});
  if (serving()) polled.push_back({served_->fd(), POLLIN, 0});
  for (const auto* group : {&newcomers_, &refused_})
    for (const Connection& connection : *group) polled.push_back({connection.fd(), POLLIN, 0});
}

bool ProgramTalk::handle() {
  // The served one first: when its end and the next one's hello arrive together, the next is served.
  const bool news = hear_served();
  const std::uint64_t served_before = news_.served_count;
  accept_newcomers();
  hear_newcomers();
  return hear_served() || news || news_.served_count != served_before;
}

void ProgramTalk::accept_newcomers() {
  while (auto connection = server_.accept()) newcomers_.push_back(std::move(*connection));
}

void ProgramTalk::hear_newcomers() {
  std::vector<Connection> silent, all = std::exchange(newcomers_, {});
  for (Connection& newcomer : all) {
    const auto message = newcomer.receive_from_program();
    if (message && std::holds_alternative<Hello>(*message)) answer(std::move(newcomer));
    else if (!message && newcomer.open()) silent.push_back(std::move(newcomer));
  }
  newcomers_ = std::move(silent);
  std::vector<Connection> still_there;
  for (Connection& connection : refused_) {
    while (connection.receive_from_program()) {}
    if (connection.open()) still_there.push_back(std::move(connection));
  }
  refused_ = std::move(still_there);
}

void ProgramTalk::answer(Connection newcomer) {
  const bool finished = news_.outcome && news_.outcome->outcome == ProgramOutcome::finished;
  if (serving() || finished) {
    Welcome refusal;
    refusal.reason = finished ? "the work of this run is already complete"
                              : fmt::format("process {} of this block is already attached", news_.served_pid);
    if (newcomer.send(FromCkptrun{refusal})) refused_.push_back(std::move(newcomer));
    return;
  }
  Welcome welcome = welcome_();
  welcome.accepted = true;
  if (!newcomer.send(FromCkptrun{welcome})) return;
  news_.served_pid = newcomer.peer_pid();
  news_.outcome.reset();   // the former one's; this one's is what counts
  ++news_.served_count;
  served_.emplace(std::move(newcomer));
  if (stop_reason_) tell_stop();
  if (std::exchange(save_wanted_, false)) served_->send(FromCkptrun{SaveRequest{}});
}

bool ProgramTalk::hear_served() {
  bool news = false;
  while (serving()) {
    const auto message = served_->receive_from_program();
    if (!message) break;
    take(*message);
    news = true;
  }
  return news;
}

void ProgramTalk::take(const FromProgram& message) {
  if (const auto* status = std::get_if<Status>(&message)) news_.status = *status;
  if (const auto* durable = std::get_if<DurableNotice>(&message)) {
    news_.durable = *durable;
    ++news_.durable_count;
  }
  if (const auto* outcome = std::get_if<OutcomeNotice>(&message)) news_.outcome = *outcome;
}

void ProgramTalk::request_stop(const std::string& reason) {
  if (stop_reason_) return;
  stop_reason_ = reason;
  if (serving()) tell_stop();
}

void ProgramTalk::tell_stop() { stop_told_ = served_->send(FromCkptrun{StopRequest{*stop_reason_}}) || stop_told_; }

void ProgramTalk::tell_time(const TimeNotice& time) {
  if (serving()) served_->send(FromCkptrun{time});
}

void ProgramTalk::request_save() {
  if (serving()) served_->send(FromCkptrun{SaveRequest{}});
  else save_wanted_ = true;
}

}  // namespace ckpt::supervisor
