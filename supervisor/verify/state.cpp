// SPDX-License-Identifier: Apache-2.0
#include "verify/state.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "block/child.hpp"
#include "slurm/command.hpp"
#include "tools/program_word.hpp"

namespace ckpt::verify {
namespace {

using tools::Json;

constexpr double longest_comparison_seconds = 6 * 3600;
constexpr int they_differ = 1;

// A time that the Python package measures and saves: no state.
bool is_a_time(const std::string& path) { return path.ends_with("/tail_seconds"); }

// Random numbers come last: they differ as soon as anything else does that draws them.
bool is_random(const Json& array) { return array.value("name", "").find("random/") != std::string::npos; }

std::string answer_of(Clock& clock, const std::string& one, const std::string& other) {
  const supervisor::slurm::Command command{{tools::program_beside("ckpt"), "diff", "--json", one, other},
                                           supervisor::child_environment({})};
  const auto answer = supervisor::slurm::run(clock, command, supervisor::slurm::once(longest_comparison_seconds));
  if (answer.ok() || answer.exit_code == they_differ) return answer.output;
  fail(CKPT_ERR_INTERNAL, "two snapshots cannot be compared: {}", supervisor::slurm::describe(command, answer));
}

}  // namespace

StateDifference compare_snapshots(Clock& clock, const std::string& one, const std::string& other) {
  const Json answer = Json::parse(answer_of(clock, one, other), nullptr, false);
  if (!answer.is_object()) fail(CKPT_ERR_INTERNAL, "ckpt diff of {} and {} gave no JSON", one, other);
  StateDifference found;
  found.arrays = answer["arrays"].size();
  for (const Json& array : answer["arrays"])
    if (array.value("result", "") != "same") found.differing.push_back(array);
  std::stable_partition(found.differing.begin(), found.differing.end(), [](const Json& array) { return !is_random(array); });
  for (const Json& change : answer["values"])
    if (const std::string path = change.value("path", ""); !is_a_time(path)) found.values.push_back(path);
  return found;
}

std::string describe_array(const Json& array) {
  const std::string head = fmt::format("{} ({})", array.value("name", ""), array.value("type", ""));
  if (!array.contains("differing")) return head + ": " + array.value("result", "");
  const Json& largest = array.contains("largest") ? array["largest"] : Json();
  return fmt::format("{}: {} of {} elements{}, the first at {}", head, array["differing"].get<std::uint64_t>(),
                     array["elements"].get<std::uint64_t>(),
                     largest.is_number() ? fmt::format(", by up to {:.3g}", largest.get<double>()) : "",
                     array.value("first_place", ""));
}

}  // namespace ckpt::verify
