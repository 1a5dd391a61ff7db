// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/names.hpp"

#include <algorithm>
#include <iterator>

namespace ckpt::checkpoints {
namespace {

constexpr std::string_view unfinished_endings[] = {".tmp",        ".temp", ".part", ".partial",
                                                   ".incomplete", ".lock", ".swp",  "~"};
constexpr std::string_view unfinished_beginnings[] = {"tmp-", "tmp_", "tmp.", "temp-", "temp."};
constexpr std::string_view unfinished_parts[] = {".tmp-", ".tmp.", ".orbax-checkpoint-tmp"};

constexpr std::string_view endings_of_state[] = {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".h5", ".keras", ".npy",
                                                 ".npz", ".pkl", ".metadata", ".pth.tar"};

constexpr std::string_view beginnings_by_torch[] = {"optimizer", "scheduler", "scaler", "rng_state", "random_states_",
                                                    "training_args", "pytorch_model", "model_optim_rng",
                                                    "distrib_optim", "mp_rank_", "zero_pp_rank_", "bf16_zero_pp_rank_"};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Without the zeros before it; `text` goes on behind it.
std::string_view take_number(std::string_view& text) noexcept {
  const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  std::string_view number = text.substr(0, end);
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  text.remove_prefix(end);
  return number;
}

}  // namespace

int compare_naturally(std::string_view one, std::string_view other) noexcept {
  while (!one.empty() && !other.empty()) {
    if (is_digit(one.front()) && is_digit(other.front())) {
      const std::string_view number = take_number(one), than = take_number(other);
      if (number.size() != than.size()) return number.size() < than.size() ? -1 : 1;
      if (const int order = number.compare(than)) return order;
    } else {
      if (one.front() != other.front()) return one.front() < other.front() ? -1 : 1;
      one.remove_prefix(1);
      other.remove_prefix(1);
    }
  }
  return one.compare(other);
}

bool holds_state(std::string_view name) noexcept {
  return std::any_of(std::begin(endings_of_state), std::end(endings_of_state),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_by_torch(std::string_view name) noexcept {
  constexpr std::string_view endings[] = {".pt", ".pth", ".bin", ".pkl"};
  return std::any_of(std::begin(endings), std::end(endings), [&](std::string_view ending) { return name.ends_with(ending); }) &&
         std::any_of(std::begin(beginnings_by_torch), std::end(beginnings_by_torch),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

bool is_unfinished_name(std::string_view name) noexcept {
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
  const auto holds = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  return std::any_of(std::begin(unfinished_endings), std::end(unfinished_endings), ends) ||
         std::any_of(std::begin(unfinished_beginnings), std::end(unfinished_beginnings), begins) ||
         std::any_of(std::begin(unfinished_parts), std::end(unfinished_parts), holds);
}

bool is_no_checkpoint(std::string_view name) noexcept {
  return name.starts_with('.') || name == "checkpoint" || is_unfinished_name(name);
}

}  // namespace ckpt::checkpoints
