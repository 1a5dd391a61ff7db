// SPDX-License-Identifier: Apache-2.0
#include "slurm/account_limits.hpp"

#include <algorithm>

#include "slurm/text.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr const char* association_fields = "format=Account,MaxJobs,MaxSubmit,MaxWall,QOS";
constexpr const char* qos_fields = "format=Name,MaxJobsPU,MaxSubmitPU,MaxWall,GraceTime";
constexpr std::size_t field_count = 5;

LimitSet limits_in(const std::vector<std::string_view>& field) {
  LimitSet set;
  set.max_jobs = parse_number(field[1]);
  set.max_submitted = parse_number(field[2]);
  set.longest_seconds = parse_span(field[3]);
  return set;
}

}  // namespace

std::vector<LimitSet> parse_associations(std::string_view text, std::vector<std::string>& usable_qos) {
  std::vector<LimitSet> sets;
  for (const std::string_view line : lines_of(text)) {
    const auto field = split(line, '|');
    if (field.size() != field_count || field[0].empty()) continue;
    sets.push_back(limits_in(field));
    sets.back().name = "account " + std::string(field[0]);
    for (const std::string_view one : split(field[4], ',')) usable_qos.emplace_back(one);
  }
  return sets;
}

std::vector<LimitSet> parse_qos(std::string_view text, const std::vector<std::string>& usable) {
  std::vector<LimitSet> sets;
  for (const std::string_view line : lines_of(text)) {
    const auto field = split(line, '|');
    if (field.size() != field_count || std::ranges::find(usable, field[0]) == usable.end()) continue;
    sets.push_back(limits_in(field));
    sets.back().name = "QOS " + std::string(field[0]);
    sets.back().grace_seconds = parse_span(field[4]);
  }
  return sets;
}

AccountLimits ask_account_limits(Clock& clock, const std::string& user, const Attempts& attempts) {
  AccountLimits limits;
  const auto ask = [&](std::vector<std::string> words) {
    const Command command = question(std::move(words));
    const Answer answer = run(clock, command, attempts);
    if (!answer.ok()) limits.why_not = describe(command, answer);
    return answer;
  };
  std::vector<std::string> usable;
  const Answer associations = ask({"sacctmgr", "-nP", "show", "assoc", "user=" + user, association_fields});
  if (!associations.ok()) return limits;
  limits.associations = parse_associations(associations.output, usable);
  const Answer qos = ask({"sacctmgr", "-nP", "show", "qos", qos_fields});
  limits.qos = parse_qos(qos.output, usable);
  return limits;
}

}  // namespace ckpt::supervisor::slurm
