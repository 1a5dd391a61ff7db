// SPDX-License-Identifier: Apache-2.0
#include "verify/cause.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace ckpt::verify {
namespace {

constexpr std::size_t most_named = 3;

bool is_batch(const Difference& one) { return one.before.file.empty(); }

std::string place(const Difference& one) {
  const Variable& variable = one.before;
  std::string text = std::filesystem::path(variable.file).filename();
  if (variable.line > 0) text += fmt::format(":{}", variable.line);
  if (!variable.function.empty()) text += ", in " + variable.function;
  return fmt::format("{} ({})", one.name, text);
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

std::string remedy(const Lost& one) {
  const std::string& kind = one.before.kind;
  const std::string name = one.name.substr(0, one.name.find(" in "));
  const bool inside = name.find('.') != std::string::npos;
  if (one.counts && !inside)
    return one.before.enumerated ? "it counts from the resume: enumerate(run.batches(...), run.batch) goes on counting"
                                 : "it follows from something that is not saved";
  if (kind == "iterator") return "an iterator starts anew: iterate with run.batches(...)";
  if (kind == "generator")
    return fmt::format("a random generator of its own: give it to Run(..., {}={})", last_part(name), name);
  if (kind == "object" && one.rebound)
    return "the loop makes another object of it than Run was given: make each before Run(...) and give it all of them";
  if (one.before.of_module && kind == "object") return fmt::format("give it to Run(..., {}={})", last_part(name), name);
  if (one.before.of_module)
    return "it is not saved with the module: keep it in a buffer (register_buffer), in get_extra_state() and set_extra_state(), or in "
           "run.vars";
  if (inside) return "give what holds it a state_dict() and a load_state_dict(), and Run(...) that object";
  if (one.rebound && (kind == "array" || kind == "container"))
    return fmt::format("the loop makes another object of it, so put it into run.vars: run.vars[\"{}\"]", name);
  if (kind == "number" || kind == "text") return fmt::format("put it into run.vars: run.vars[\"{}\"]", name);
  return fmt::format("give it to Run(..., {0}={0})", name);
}

std::string values(const Lost& one) {
  if (one.before.shown.empty() || one.after.shown.empty() || one.before.shown == one.after.shown) return {};
  return fmt::format("{} {}, {} after a resume: ", one.before.shown, one.counts ? "without a stop" : "at the stop",
                     one.after.shown);
}

// The moments that two straight starts share, up to the stop of one of them.
const Moment* first_moment_that_differs(const Record& one, const Record& other, std::vector<Difference>& what) {
  for (const Moment& moment : one.moments) {
    const Variables* same = other.at(moment.name, 1, moment.step);
    if (!same) continue;
    what = differences(moment.variables, *same);
    if (!what.empty()) return &moment;
  }
  return nullptr;
}

std::string of_names(const std::vector<Difference>& what) {
  std::vector<std::string> names;
  for (const Difference& one : what)
    if (!is_batch(one) && names.size() < most_named) names.push_back(place(one));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<std::string> causes_of_chance(const Findings& found) {
  if (found.straight.moments.empty())
    return {"random numbers without a seed, a time, uninitialised memory, or threads that add in another order"};
  std::vector<Difference> what;
  const Moment* first = first_moment_that_differs(found.straight, found.resumed, what);
  if (!first) first = first_moment_that_differs(found.straight, found.straight_again, what);
  if (!first)
    return {"the script's variables are the same, so it is inside a step: a time, a random number without a seed, or kernels that "
            "are not deterministic, which torch.use_deterministic_algorithms(True) refuses"};
  std::vector<std::string> lines;
  if (is_batch(what.front()))
    lines.push_back(fmt::format("{} differs at step {}: the loader shuffles, or its workers draw random numbers, without a "
                                "seed", what.front().name, first->step));
  std::stable_partition(what.begin(), what.end(), [](const Difference& one) { return one.before.kind == "generator"; });
  if (const std::string names = of_names(what); !names.empty())
    lines.push_back(fmt::format("different at step {} already: {}; a random number without a seed, a time, or the order of a "
                                "set (PYTHONHASHSEED)", first->step, names));
  return lines;
}

// The step after the resume whose batch is another one than without a stop.
std::optional<std::uint64_t> step_of_another_batch(const Findings& found) {
  for (const Moment& moment : found.resumed.moments) {
    const Variables* same = moment.block == 2 ? found.straight.at(moment.name, 1, moment.step) : nullptr;
    const auto what = same ? differences(*same, moment.variables) : std::vector<Difference>{};
    if (!what.empty() && is_batch(what.front())) return moment.step;
  }
  return std::nullopt;
}

bool only_random_numbers_differ(const StateDifference& state) {
  return state.values.empty() && std::ranges::all_of(state.differing, [](const tools::Json& array) {
           return array.value("name", "").find("random/") != std::string::npos;
         });
}

// Nearly every loop leaves gradients behind, so they are named only where nothing else explains, and where the step after the stop adds
// to them: after a zero_grad() it makes others.
std::vector<std::string> gradients_at_stop(const Findings& found) {
  std::vector<std::string> lines;
  const Variables* const stopped = found.resumed.at("point", 1, found.stopped_at);
  const Variables* const next = found.straight.at("point", 1, found.stopped_at + 1);
  if (!stopped) return lines;
  for (const auto& [name, variable] : *stopped) {
    if (variable.kind != "gradients") continue;
    const auto after = next ? next->find(name) : Variables::const_iterator{};
    if (!next || after == next->end() || !after->second.rebound)
      lines.push_back(name + ", which are not saved: a loop that sums them over batches needs run.batches(..., accumulate=N)");
  }
  return lines;
}

// What is at fault where the loader gives other batches after a resume. Workers that stay are other processes.
std::string of_other_batches(const Findings& found, std::uint64_t step) {
  const std::string what = fmt::format("the batch of step {} is another one than without a stop", step);
  if (const Variables* stopped = found.resumed.at("point", 1, found.stopped_at))
    for (const auto& [name, variable] : *stopped)
      if (variable.kind == "workers")
        return fmt::format("{}: the {} are persistent, and the random numbers that they draw are not restored: "
                           "persistent_workers=False; where they draw none, its order depends on something that Run was not given",
                           what, name);
  return fmt::format("the order of the data is not restored: {}; it depends on something that Run was not given", what);
}

std::vector<std::string> causes_of_resume(const Findings& found) {
  std::vector<std::string> lines;
  for (const Lost& one : suspects(found)) lines.push_back(describe(one));
  if (const auto step = step_of_another_batch(found)) lines.push_back(of_other_batches(found, *step));
  if (!lines.empty()) return lines;
  if (found.straight.moments.empty())
    return {"an array or a value that changes is not registered (ckpt_add, ckpt_set); the state of random numbers is one, too"};
  if (only_random_numbers_differ(found.at_end))
    return {"another number of random numbers is drawn after a resume than without one"};
  lines = gradients_at_stop(found);
  lines.push_back("nothing that the script's variables show: state inside a library, a file that is written and read, or a worker");
  return lines;
}

}  // namespace

const char* name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::exact: return "exact";
    case Verdict::differs: return "differs";
    case Verdict::not_deterministic: return "not deterministic";
    case Verdict::does_not_resume: return "does not resume";
  }
  return "";
}

Verdict verdict_of(const Findings& found) {
  if (!found.at_stop.same() || (found.again && !found.again->same())) return Verdict::not_deterministic;
  if (!found.failure.empty()) return Verdict::does_not_resume;
  return found.at_end.same() && !found.straight_ended_at ? Verdict::exact : Verdict::differs;
}

std::vector<Lost> suspects(const Findings& found) {
  std::vector<Lost> all = lost_variables(found.straight, found.resumed, found.stopped_at);
  const auto passed = [](const Lost& one) { return !one.at_end; };
  // What is the same again at the end did no harm, where anything else explains the rest.
  const bool exact = verdict_of(found) == Verdict::exact;
  if (exact || !std::ranges::all_of(all, passed)) std::erase_if(all, passed);
  // A value from before the loop: best = run.vars.setdefault("best", 0) is another one after a resume, and nothing asks for it.
  if (exact) std::erase_if(all, [&](const Lost& one) { return !found.straight.changes(one.name); });
  return all;
}

std::vector<std::string> causes(const Findings& found) {
  switch (verdict_of(found)) {
    case Verdict::differs: return causes_of_resume(found);
    case Verdict::not_deterministic: return causes_of_chance(found);
    default: return {};
  }
}

std::string describe(const Lost& one) { return fmt::format("{}: {}{}", place(one), values(one), remedy(one)); }

}  // namespace ckpt::verify
