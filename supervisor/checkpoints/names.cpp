// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/names.hpp"

#include <algorithm>
#include <iterator>

namespace ckpt::checkpoints {
namespace {

constexpr std::string_view unfinished_endings[] = {".tmp",        ".temp", ".part", ".partial",
                                                   ".incomplete", ".lock", ".swp",  "~",     ".saving"};
constexpr std::string_view unfinished_beginnings[] = {"tmp-", "tmp_", "tmp.", "temp-", "temp."};
constexpr std::string_view unfinished_parts[] = {".tmp-", ".tmp.", ".orbax-checkpoint-tmp"};

constexpr std::string_view set_aside_endings[] = {".bak", ".old", ".new"};
constexpr std::string_view set_aside_stems[] = {"_tmp", "-temp", ".temp"};

constexpr std::string_view endings_of_state[] = {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".h5", ".keras", ".npy",
                                                 ".npz", ".pkl", ".metadata", ".pth.tar"};

constexpr std::string_view beginnings_by_torch[] = {"optimizer", "scheduler", "scaler", "rng_state", "random_states_",
                                                    "training_args", "pytorch_model", "model_optim_rng",
                                                    "distrib_optim", "mp_rank_", "zero_pp_rank_", "bf16_zero_pp_rank_"};

// "tmp" and eight signs, and whatever ending the caller asked for.
bool is_of_tempfile(std::string_view name) noexcept {
  constexpr std::string_view beginning = "tmp";
  constexpr std::size_t signs = 8;
  if (!name.starts_with(beginning)) return false;
  const std::string_view rest = name.substr(beginning.size());
  const std::size_t end = std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), rest.size());
  return end == signs && (end == rest.size() || rest[end] == '.');
}

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

std::string without_digits(std::string name) {
  std::erase_if(name, is_digit);
  return name;
}

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

bool is_set_aside_name(std::string_view name) noexcept {
  const std::string_view stem = name.substr(0, name.rfind('.'));
  const std::string_view unnumbered = name.substr(0, name.find_last_not_of("0123456789") + 1);
  const bool is_numbered = unnumbered.size() < name.size() && (unnumbered.ends_with(".part") || unnumbered.ends_with(".tmp"));
  const bool is_of_emacs = name.size() > 2 && name.front() == '#' && name.back() == '#';
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  const auto stem_ends = [&](std::string_view ending) { return stem.size() < name.size() && stem.ends_with(ending); };
  return is_unfinished_name(name) || is_numbered || is_of_emacs || is_of_tempfile(name) ||
         std::any_of(std::begin(set_aside_endings), std::end(set_aside_endings), ends) ||
         std::any_of(std::begin(set_aside_stems), std::end(set_aside_stems), stem_ends);
}

bool is_no_checkpoint(std::string_view name) noexcept {
  return name.starts_with('.') || name == "checkpoint" || is_tracker_name(name) || is_set_aside_name(name);
}

bool is_tracker_name(std::string_view name) noexcept {
  return name == "latest" || name == "latest_checkpointed_iteration.txt";
}

}  // namespace ckpt::checkpoints
