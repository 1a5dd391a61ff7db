// SPDX-License-Identifier: Apache-2.0
#include "plan/knowledge.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ckpt::plan {
namespace {

using supervisor::LearnedTimes;
using supervisor::Sample;

Known known(const std::optional<double>& given, const Sample& measured, const char* how) {
  if (given) return {*given, "given"};
  if (const auto seconds = measured.p90()) return {*seconds, fmt::format("p90 of {} {}", measured.count(), how)};
  return {};
}

// The lead's parts are the policy's to estimate; the user's word stands for the whole save.
void take_save(const Request& request, const LearnedTimes& learned, Knowledge& knowledge) {
  knowledge.costs = learned.costs();
  if (request.save_seconds) {
    knowledge.costs.stage = knowledge.costs.publish = 0;
    knowledge.costs.drain = *request.save_seconds;
  }
  const double seconds = knowledge.costs.stage + knowledge.costs.drain + knowledge.costs.publish;
  if (request.save_seconds)
    knowledge.save = {seconds, "given"};
  else if (learned.drain.count() > 0)
    knowledge.save = {seconds, fmt::format("of {} measured", learned.drain.count())};
}

void take_points(const Request& request, const LearnedTimes& learned, Knowledge& knowledge) {
  if (request.between_points_seconds) knowledge.costs.between_points = *request.between_points_seconds;
  const double seconds = knowledge.costs.between_points;
  if (request.between_points_seconds)
    knowledge.between_points = {seconds, "given"};
  else if (seconds > 0)
    knowledge.between_points = {seconds, fmt::format("of {} measured", learned.between_points.count())};
}

}  // namespace

Knowledge gather(const Request& request, const LearnedTimes& learned, const Known& limit) {
  Knowledge knowledge;
  if (!learned.unit.empty() && !request.unit_seconds) knowledge.unit = learned.unit;
  knowledge.units = request.units ? request.units : learned.total;
  knowledge.units_done = learned.done.value_or(0);
  knowledge.limit = limit;
  knowledge.unit_time =
      known(request.unit_seconds, learned.unit_seconds, learned.from_rehearsal ? "rehearsed" : "measured");
  knowledge.startup = known(request.startup_seconds, learned.startup, "measured");
  knowledge.restore = known(request.restore_seconds, learned.restore, "measured");
  knowledge.state_bytes = request.state_bytes ? request.state_bytes : learned.state_bytes;
  knowledge.file_bytes = request.state_bytes ? 0 : learned.file_bytes;
  take_save(request, learned, knowledge);
  take_points(request, learned, knowledge);
  return knowledge;
}

supervisor::PlanFacts facts_for_plan(const Knowledge& knowledge, const Request& request) {
  supervisor::PlanFacts facts;
  facts.limit_seconds = knowledge.limit.seconds;
  facts.unit = knowledge.unit;
  facts.units_left = std::max(0.0, knowledge.units.value_or(0) - knowledge.units_done);
  facts.unit_seconds = knowledge.unit_time.seconds;
  facts.startup_seconds = knowledge.startup.seconds;
  facts.restore_seconds = knowledge.restore.seconds;
  facts.costs = knowledge.costs;
  facts.starts_fresh = knowledge.units_done <= 0;
  facts.state_bytes = knowledge.state_bytes;
  facts.file_bytes = knowledge.file_bytes;
  facts.keep = request.keep;
  facts.slack_blocks = request.slack_blocks;
  return facts;
}

std::string how_to_know(const Knowledge& knowledge) {
  if (!knowledge.unit_time.is_known())
    return "how long an epoch takes is not known: measure it (ckptplan --rehearse 2 -- COMMAND), give it "
           "(--epoch-time 14m), or name a run that has done some (-r RUN)";
  return fmt::format("how many {}s the whole work has is not known: give it (--epochs 300)", knowledge.unit);
}

}  // namespace ckpt::plan
