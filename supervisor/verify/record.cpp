// SPDX-License-Identifier: Apache-2.0
#include "verify/record.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "rundir/json_fields.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::verify {
namespace {

using rundir::count_in;
using rundir::text_in;

Variable variable_of(const nlohmann::json& json) {
  return {text_in(json, "digest"), text_in(json, "shown"), text_in(json, "kind"), text_in(json, "file"),
          text_in(json, "function"), count_in(json, "line").value_or(0), json.value("rebound", false),
          json.value("enumerated", false), json.value("of_module", false)};
}

bool same_in(const std::string& name, const Variables* one, const Variables* other) {
  if (!one || !other) return true;
  const auto a = one->find(name), b = other->find(name);
  return a != one->end() && b != other->end() && a->second.digest == b->second.digest;
}

// "model.calls" goes with "model".
bool is_part_of(const std::string& name, const std::vector<Lost>& all) {
  return std::ranges::any_of(all, [&](const Lost& other) {
    const std::string& whole = other.name;
    return name.size() > whole.size() && name.starts_with(whole) && (name[whole.size()] == '.' || name[whole.size()] == '[');
  });
}

bool is_whole_number(const std::string& shown) {
  return !shown.empty() && shown.find_first_not_of("0123456789") == std::string::npos;
}

// A float that is made anew in each step follows from the state; a count does not.
bool is_the_loops_own(const Difference& found, const Variables* entry) {
  const bool may_count = found.before.kind == "text" ||
                         (found.before.kind == "number" && is_whole_number(found.before.shown) && is_whole_number(found.after.shown));
  return may_count && !entry->contains(found.name);
}

bool may_be_lost(const Difference& found) { return !found.before.file.empty() && !found.before.digest.empty(); }

// Where a loop is entered nothing has happened yet: whatever differs there was not restored. A loop of the script's own says
// nothing before its first step is over, so that what follows from the state is not told from what was lost.
std::vector<Lost> candidates(const Record& straight, const Record& resumed, std::uint64_t stopped_at) {
  std::vector<Lost> found;
  const auto after_one = std::ranges::find_if(resumed.moments, [](const Moment& m) { return m.block == 2 && m.name != "entry"; });
  const Variables* entry = resumed.at("entry", 2, stopped_at);
  if (const Variables* stopped = resumed.at("point", 1, stopped_at); entry && stopped)
    for (Difference& difference : differences(*stopped, *entry))
      if (may_be_lost(difference)) found.push_back({std::move(difference)});
  if (after_one == resumed.moments.end()) return found;
  if (const Variables* one_more = straight.at("point", 1, after_one->step))
    for (Difference& difference : differences(*one_more, after_one->variables)) {
      const bool counts = entry && is_the_loops_own(difference, entry);
      if (may_be_lost(difference) && (counts || !entry)) found.push_back({std::move(difference), counts});
    }
  return found;
}

bool others_follow_from(const Lost& one) { return one.before.kind == "generator" || one.before.kind == "iterator"; }

bool follows(const Lost& one) { return one.counts && !one.before.enumerated; }

}  // namespace

const Moment* Record::moment_at(const std::string& name, std::uint64_t block, std::uint64_t step) const {
  for (const Moment& one : moments)
    if (one.name == name && one.block == block && one.step == step) return &one;
  return nullptr;
}

const Variables* Record::at(const std::string& moment, std::uint64_t block, std::uint64_t step) const {
  const Moment* const found = moment_at(moment, block, step);
  return found ? &found->variables : nullptr;
}

bool Record::rebinds(const std::string& name) const {
  return std::ranges::any_of(moments, [&](const Moment& one) {
    const auto found = one.variables.find(name);
    return one.block == 1 && found != one.variables.end() && found->second.rebound;
  });
}

bool Record::changes(const std::string& name) const {
  std::set<std::string> contents;
  for (const Moment& one : moments)
    if (const auto found = one.variables.find(name); one.block == 1 && found != one.variables.end()) contents.insert(found->second.digest);
  return contents.size() > 1;
}

Record read_record(io::FileSystem& fs, const std::string& path) {
  Record record;
  for (const nlohmann::json& line : rundir::read_ledger(fs, path)) {
    Moment moment{count_in(line, "block").value_or(0), count_in(line, "step").value_or(0), text_in(line, "moment"), line.value("in_epoch", false), {}};
    if (const auto found = line.find("variables"); found != line.end() && found->is_object())
      for (const auto& [name, content] : found->items()) moment.variables[name] = variable_of(content);
    record.moments.push_back(std::move(moment));
  }
  return record;
}

std::vector<Difference> differences(const Variables& before, const Variables& after) {
  std::vector<Difference> found;
  for (const auto& [name, variable] : before)
    if (const auto other = after.find(name); other != after.end() && other->second.digest != variable.digest)
      found.push_back({name, variable, other->second});
  std::stable_partition(found.begin(), found.end(), [](const Difference& one) { return one.before.file.empty(); });
  return found;
}

std::vector<Lost> lost_variables(const Record& straight, const Record& resumed, std::uint64_t stopped_at) {
  std::vector<Lost> found;
  for (Lost& one : candidates(straight, resumed, stopped_at)) {
    if (!same_in(one.name, straight.at("point", 1, stopped_at), resumed.at("point", 1, stopped_at))) continue;
    one.at_end = !same_in(one.name, straight.last(), resumed.last());
    one.rebound = straight.rebinds(one.name);
    if (!is_part_of(one.name, found)) found.push_back(std::move(one));
  }
  if (std::ranges::any_of(found, [](const Lost& one) { return one.at_end && !follows(one); })) std::erase_if(found, follows);
  std::stable_partition(found.begin(), found.end(), others_follow_from);
  std::stable_partition(found.begin(), found.end(), [](const Lost& one) { return one.at_end; });
  return found;
}

}  // namespace ckpt::verify
