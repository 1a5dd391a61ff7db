// SPDX-License-Identifier: Apache-2.0
#include "staging/message.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace ckpt::staging {
namespace {

using nlohmann::json;

// ---- one value ----------------------------------------------------------------------------------------------------

void put(json& object, const char* key, double seconds) {
  if (std::isfinite(seconds)) object[key] = seconds;
}
void put(json& object, const char* key, std::uint64_t number) { object[key] = number; }
template <class Value>
void put(json& object, const char* key, const std::optional<Value>& value) {
  if (value) put(object, key, *value);
}

void require(bool holds, const char* key) {
  if (!holds) throw std::invalid_argument(key);
}
void get(const json& value, const char* key, double& to) {
  require(value.is_number(), key);
  to = value.get<double>();
}
void get(const json& value, const char* key, std::uint64_t& to) {
  require(value.is_number_unsigned(), key);
  to = value.get<std::uint64_t>();
}
void get(const json& value, const char* key, std::int64_t& to) {
  require(value.is_number_integer(), key);
  to = value.get<std::int64_t>();
}
void get(const json& value, const char* key, bool& to) {
  require(value.is_boolean(), key);
  to = value.get<bool>();
}
void get(const json& value, const char* key, std::string& to) {
  require(value.is_string(), key);
  to = value.get<std::string>();
}
template <class Value>
void get(const json& value, const char* key, std::optional<Value>& to) {
  get(value, key, to.emplace());
}

template <class Value>
void read(const json& object, const char* key, Value& to) {
  if (const auto found = object.find(key); found != object.end()) get(*found, key, to);
}

const char* name(ProgramOutcome outcome) {
  switch (outcome) {
    case ProgramOutcome::finished: return "finished";
    case ProgramOutcome::stopped: return "stopped";
    case ProgramOutcome::failed: break;
  }
  return "failed";
}

ProgramOutcome parse_program_outcome(const std::string& text) {
  for (const auto outcome : {ProgramOutcome::finished, ProgramOutcome::stopped, ProgramOutcome::failed}) {
    if (text == name(outcome)) return outcome;
  }
  throw std::invalid_argument("outcome");
}

// ---- one message --------------------------------------------------------------------------------------------------

json to_json(const Hello& hello) {
  return {{"type", "hello"},
          {"protocol", hello.protocol},
          {"version", hello.version},
          {"run_directory", hello.run_directory},
          {"block", hello.block},
          {"rank", hello.rank},
          {"pid", hello.pid}};
}

Hello read_hello(const json& object) {
  Hello hello;
  std::int64_t protocol = 0;   // a hello that names none is of no protocol we know
  read(object, "protocol", protocol);
  hello.protocol = static_cast<int>(protocol);
  read(object, "version", hello.version);
  read(object, "run_directory", hello.run_directory);
  read(object, "block", hello.block);
  read(object, "rank", hello.rank);
  read(object, "pid", hello.pid);
  return hello;
}

json to_json(const Status& status) {
  json object{{"type", "status"}, {"unit", status.unit}, {"save_error", status.save_error}};
  put(object, "step", status.step);
  put(object, "done", status.done);
  put(object, "total", status.total);
  put(object, "stall_seconds", status.stall_seconds);
  put(object, "seconds_between_points", status.seconds_between_points);
  put(object, "stop_in_seconds", status.stop_in_seconds);
  return object;
}

Status read_status(const json& object) {
  Status status;
  read(object, "step", status.step);
  read(object, "done", status.done);
  read(object, "total", status.total);
  read(object, "unit", status.unit);
  read(object, "stall_seconds", status.stall_seconds);
  read(object, "seconds_between_points", status.seconds_between_points);
  read(object, "save_error", status.save_error);
  read(object, "stop_in_seconds", status.stop_in_seconds);
  return status;
}

json to_json(const DurableNotice& durable) {
  json object{{"type", "durable"},
              {"step", durable.step},
              {"file_bytes", durable.file_bytes},
              {"state_bytes", durable.state_bytes}};
  put(object, "stall_seconds", durable.stall_seconds);
  put(object, "drain_seconds", durable.drain_seconds);
  return object;
}

DurableNotice read_durable(const json& object) {
  DurableNotice durable;
  read(object, "step", durable.step);
  read(object, "file_bytes", durable.file_bytes);
  read(object, "state_bytes", durable.state_bytes);
  read(object, "stall_seconds", durable.stall_seconds);
  read(object, "drain_seconds", durable.drain_seconds);
  return durable;
}

json to_json(const OutcomeNotice& notice) {
  json object{{"type", "outcome"}, {"outcome", name(notice.outcome)}, {"reason", notice.reason}};
  put(object, "step", notice.step);
  return object;
}

OutcomeNotice read_outcome(const json& object) {
  OutcomeNotice notice;
  std::string outcome;
  read(object, "outcome", outcome);
  notice.outcome = parse_program_outcome(outcome);
  read(object, "step", notice.step);
  read(object, "reason", notice.reason);
  return notice;
}

json to_json(const Welcome& welcome) {
  json object{{"type", "welcome"}, {"accepted", welcome.accepted}, {"reason", welcome.reason}};
  put(object, "block_seconds", welcome.block_seconds);
  put(object, "seconds_to_end", welcome.seconds_to_end);
  put(object, "seconds_to_deadline", welcome.seconds_to_deadline);
  json config = json::array();   // of pairs: the order may matter, and a key may come twice
  for (const auto& [key, value] : welcome.config) config.push_back(json::array({key, value}));
  object["config"] = std::move(config);
  return object;
}

Welcome read_welcome(const json& object) {
  Welcome welcome;
  read(object, "accepted", welcome.accepted);
  read(object, "reason", welcome.reason);
  read(object, "block_seconds", welcome.block_seconds);
  read(object, "seconds_to_end", welcome.seconds_to_end);
  read(object, "seconds_to_deadline", welcome.seconds_to_deadline);
  for (const json& pair : object.value("config", json::array())) {
    welcome.config.emplace_back(pair.at(0).get<std::string>(), pair.at(1).get<std::string>());
  }
  return welcome;
}

json to_json(const TimeNotice& time) {
  json object{{"type", "time"}};
  put(object, "seconds_to_end", time.seconds_to_end);
  put(object, "seconds_to_deadline", time.seconds_to_deadline);
  return object;
}

TimeNotice read_time(const json& object) {
  TimeNotice time;
  read(object, "seconds_to_end", time.seconds_to_end);
  read(object, "seconds_to_deadline", time.seconds_to_deadline);
  return time;
}

json to_json(const SaveRequest&) { return {{"type", "save"}}; }
json to_json(const StopRequest& stop) { return {{"type", "stop"}, {"reason", stop.reason}}; }

StopRequest read_stop(const json& object) {
  StopRequest stop;
  read(object, "reason", stop.reason);
  return stop;
}

// ---- any message --------------------------------------------------------------------------------------------------

template <class Message>
std::string encode_any(const Message& message) {
  // Paths and reasons may hold bytes that are not UTF-8: they are replaced, never an exception.
  return std::visit([](const auto& one) { return to_json(one).dump(-1, ' ', false, json::error_handler_t::replace); },
                    message);
}

FromProgram parse_from_program(const json& object) {
  const auto type = object.at("type").get<std::string>();
  if (type == "hello") return read_hello(object);
  if (type == "status") return read_status(object);
  if (type == "durable") return read_durable(object);
  if (type == "outcome") return read_outcome(object);
  throw std::invalid_argument(type);
}

FromCkptrun parse_from_ckptrun(const json& object) {
  const auto type = object.at("type").get<std::string>();
  if (type == "welcome") return read_welcome(object);
  if (type == "time") return read_time(object);
  if (type == "save") return SaveRequest{};
  if (type == "stop") return read_stop(object);
  throw std::invalid_argument(type);
}

}  // namespace

std::string encode(const FromProgram& message) { return encode_any(message); }
std::string encode(const FromCkptrun& message) { return encode_any(message); }

std::optional<FromProgram> decode_from_program(std::string_view packet) noexcept try {
  return parse_from_program(json::parse(packet));
} catch (const std::exception&) {
  return std::nullopt;
}

std::optional<FromCkptrun> decode_from_ckptrun(std::string_view packet) noexcept try {
  return parse_from_ckptrun(json::parse(packet));
} catch (const std::exception&) {
  return std::nullopt;
}

}  // namespace ckpt::staging
