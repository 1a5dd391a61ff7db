// SPDX-License-Identifier: Apache-2.0
#include "rundir/records.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace ckpt::rundir {
namespace {

using nlohmann::json;

struct OutcomeName {
  Outcome outcome;
  const char* name;
};
constexpr OutcomeName outcome_names[] = {{Outcome::finished, "finished"},
                                         {Outcome::stopped, "stopped"},
                                         {Outcome::crashed, "crashed"},
                                         {Outcome::abandoned, "abandoned"}};

json to_json(const ProcessIdentity& who) {
  return {{"host", who.host},
          {"machine_id", who.machine_id},
          {"boot_id", who.boot_id},
          {"pid_namespace", who.pid_namespace},
          {"pid", who.pid},
          {"start_ticks", who.start_ticks},
          {"user", who.user}};
}

ProcessIdentity identity_from_json(const json& value) {
  ProcessIdentity who;
  who.host = value.at("host");
  who.machine_id = value.at("machine_id");
  who.boot_id = value.at("boot_id");
  who.pid_namespace = value.at("pid_namespace");
  who.pid = value.at("pid");
  who.start_ticks = value.at("start_ticks");
  who.user = value.at("user");
  return who;
}

// JSON has no infinity: it would read back as no number at all.
double finite_or_zero(double seconds) { return std::isfinite(seconds) ? seconds : 0; }

template <class T>
std::optional<T> optional_at(const json& value, const char* key) {
  const json& field = value.at(key);
  if (field.is_null()) return std::nullopt;
  return field.get<T>();
}

template <class Read>
auto parse(const std::string& text, Read read) noexcept -> std::optional<decltype(read(json()))> {
  try {
    return read(json::parse(text));
  } catch (const std::exception&) {   // no JSON, a field missing, of another type
    return std::nullopt;
  }
}

}  // namespace

const char* name(Outcome outcome) noexcept {
  for (const OutcomeName& entry : outcome_names) {
    if (entry.outcome == outcome) return entry.name;
  }
  return "unknown";
}

std::optional<Outcome> parse_outcome(std::string_view text) noexcept {
  for (const OutcomeName& entry : outcome_names) {
    if (entry.name == text) return entry.outcome;
  }
  return std::nullopt;
}

std::string pretty(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + '\n'; }

json word_to_json(const std::string& word) {
  json text = word;
  try {
    static_cast<void>(text.dump());
    return text;
  } catch (const json::type_error&) {   // no UTF-8
    return std::vector<unsigned char>(word.begin(), word.end());
  }
}

std::string word_from_json(const json& value) {
  if (!value.is_array()) return value.get<std::string>();
  const auto bytes = value.get<std::vector<unsigned char>>();
  return {bytes.begin(), bytes.end()};
}

json words_to_json(const std::vector<std::string>& words) {
  json list = json::array();
  for (const std::string& word : words) list.push_back(word_to_json(word));
  return list;
}

std::vector<std::string> words_from_json(const json& value) {
  std::vector<std::string> words;
  for (const json& word : value) words.push_back(word_from_json(word));
  return words;
}

std::string to_text(const Claim& claim) {
  return pretty({{"block", claim.block},
                 {"role", claim.role},
                 {"who", to_json(claim.who)},
                 {"job_id", claim.job_id},
                 {"cluster", claim.cluster},
                 {"array_id", claim.array_id},
                 {"array_task", claim.array_task},
                 {"restart_count", claim.restart_count},
                 {"command", words_to_json(claim.command)},
                 {"claimed", finite_or_zero(claim.claimed)},
                 {"block_seconds", finite_or_zero(claim.block_seconds)}});
}

std::optional<Claim> parse_claim(const std::string& text) noexcept {
  return parse(text, [](const json& value) {
    Claim claim;
    claim.block = value.at("block");
    claim.role = value.at("role");
    claim.who = identity_from_json(value.at("who"));
    claim.job_id = value.at("job_id");
    claim.cluster = value.at("cluster");
    claim.array_id = value.at("array_id");
    claim.array_task = value.at("array_task");
    claim.restart_count = value.at("restart_count");
    claim.command = words_from_json(value.at("command"));
    claim.claimed = value.at("claimed");
    claim.block_seconds = value.at("block_seconds");
    return claim;
  });
}

std::string to_text(const Attachment& attachment) {
  return pretty({{"linked", attachment.linked}, {"who", to_json(attachment.who)}});
}

std::optional<Attachment> parse_attachment(const std::string& text) noexcept {
  return parse(text, [](const json& value) {
    return Attachment{value.at("linked").get<bool>(), identity_from_json(value.at("who"))};
  });
}

std::string to_text(const BlockEnd& end) {
  return pretty({{"outcome", name(end.outcome)},
                 {"reason", end.reason},
                 {"writer", end.writer},
                 {"writer_pid", end.writer_pid},
                 {"step", or_null(end.step)},
                 {"exit_code", or_null(end.exit_code)},
                 {"signal", or_null(end.signal)},
                 {"ended", finite_or_zero(end.ended)}});
}

std::optional<BlockEnd> parse_block_end(const std::string& text) noexcept {
  return parse(text, [](const json& value) {
    BlockEnd end;
    end.outcome = parse_outcome(value.at("outcome").get<std::string>()).value();
    end.reason = value.at("reason");
    end.writer = value.at("writer");
    end.writer_pid = value.at("writer_pid");
    end.step = optional_at<std::uint64_t>(value, "step");
    end.exit_code = optional_at<int>(value, "exit_code");
    end.signal = optional_at<int>(value, "signal");
    end.ended = value.at("ended");
    return end;
  });
}

}  // namespace ckpt::rundir
