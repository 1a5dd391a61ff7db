// SPDX-License-Identifier: Apache-2.0
#include "block/result_record.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "rundir/json_fields.hpp"

namespace ckpt::supervisor {
namespace {

using nlohmann::json;
using rundir::or_null;

json to_json(const std::optional<rundir::SnapshotId>& id) {
  return id ? json{{"step", id->step}, {"block", id->block}} : json();
}

json to_json(const std::optional<Progress>& progress) {
  return progress ? json{{"done", progress->done}, {"total", progress->total}, {"unit", progress->unit}} : json();
}

template <class Value>
void take(const json& value, const char* key, Value& into) {
  const auto found = value.find(key);
  if (found == value.end() || found->is_null()) return;
  try {
    into = found->get<Value>();
  } catch (const json::exception&) {   // another type: as good as absent
  }
}

template <class Value>
void take(const json& value, const char* key, std::optional<Value>& into) {
  const auto found = value.find(key);
  if (found == value.end() || found->is_null()) return;
  Value taken{};
  take(value, key, taken);
  into = taken;
}

void take(const json& value, const char* key, std::optional<rundir::SnapshotId>& into) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_object()) return;
  rundir::SnapshotId id;
  take(*found, "step", id.step);
  take(*found, "block", id.block);
  into = id;
}

void take(const json& value, const char* key, std::optional<checkpoints::Version>& into) {
  if (const auto found = value.find(key); found != value.end()) into = checkpoints::parse_version(*found);
}

void take(const json& value, const char* key, std::optional<Progress>& into) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_object()) return;
  Progress progress;
  take(*found, "done", progress.done);
  take(*found, "total", progress.total);
  take(*found, "unit", progress.unit);
  into = progress;
}

}  // namespace

// "step" alone is what people look for.
json to_json(const BlockResult& result) {
  return {{"block", result.block},
          {"linked", result.linked},
          {"outcome", rundir::name(result.outcome)},
          {"reason", result.reason},
          {"asked", name(result.asked)},
          {"resumed_from", to_json(result.resumed_from)},
          {"newest", to_json(result.newest)},
          {"step", result.newest ? json(result.newest->step) : json()},
          {"exit_code", or_null(result.exit_code)},
          {"signal", or_null(result.signal)},
          {"reached_point", result.reached_point},
          {"started", result.started},
          {"seconds", result.seconds},
          {"whole_seconds", std::isfinite(result.whole_seconds) ? json(result.whole_seconds) : json()},
          {"end_moved_nearer", result.end_moved_nearer},
          {"start_up_seconds", result.start_up_seconds},
          {"between_points_seconds", result.costs.between_points},
          {"stage_seconds", result.costs.stage},
          {"drain_seconds", result.costs.drain},
          {"crash", name(result.crash)},
          {"last_step", or_null(result.last_step)},
          {"began", to_json(result.began)},
          {"reached", to_json(result.reached)},
          {"keeps_own", result.keeps_own},
          {"own_from", to_json(result.own_from)},
          {"own_newest", to_json(result.own_newest)},
          {"own_matched", result.own_matched},
          {"own_began_again", result.own_began_again},
          {"stop_seconds", result.stop_seconds},
          {"stop_cut_off", result.stop_cut_off}};
}

std::optional<BlockResult> parse_result(const json& value) {
  BlockResult result;
  std::string outcome, asked, crash;
  take(value, "outcome", outcome);
  const auto known = rundir::parse_outcome(outcome);
  if (!known) return std::nullopt;
  result.outcome = *known;
  take(value, "asked", asked);
  result.asked = parse_stop_cause(asked).value_or(StopCause::nobody);
  take(value, "crash", crash);
  result.crash = parse_crash_kind(crash);
  take(value, "block", result.block);
  take(value, "linked", result.linked);
  take(value, "reason", result.reason);
  take(value, "resumed_from", result.resumed_from);
  take(value, "newest", result.newest);
  take(value, "exit_code", result.exit_code);
  take(value, "signal", result.signal);
  take(value, "reached_point", result.reached_point);
  take(value, "started", result.started);
  take(value, "seconds", result.seconds);
  take(value, "whole_seconds", result.whole_seconds);
  take(value, "end_moved_nearer", result.end_moved_nearer);
  take(value, "start_up_seconds", result.start_up_seconds);
  take(value, "between_points_seconds", result.costs.between_points);
  take(value, "stage_seconds", result.costs.stage);
  take(value, "drain_seconds", result.costs.drain);
  take(value, "last_step", result.last_step);
  take(value, "began", result.began);
  take(value, "reached", result.reached);
  take(value, "keeps_own", result.keeps_own);
  take(value, "own_from", result.own_from);
  take(value, "own_newest", result.own_newest);
  take(value, "own_matched", result.own_matched);
  take(value, "own_began_again", result.own_began_again);
  take(value, "stop_seconds", result.stop_seconds);
  take(value, "stop_cut_off", result.stop_cut_off);
  return result;
}

}  // namespace ckpt::supervisor
