// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/beside.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "checkpoints/bytes.hpp"
#include "checkpoints/finding.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view tracker_of_megatron = "latest_checkpointed_iteration.txt", tracker_of_deepspeed = "latest";
constexpr std::uint64_t longest_tracker = 4096;

// Of a file in a checkpoint, whatever step, rank or loss its name and those of its folders tell.
std::string kind_of(std::string path) {
  std::erase_if(path, [](unsigned char c) { return c != '/' && (std::isalpha(c) == 0 || c == 'e'); });
  return path;
}

struct Kind {
  std::size_t count = 0;
  std::string name;  // one of them
};
using Kinds = std::map<std::string, Kind>;

// False: not all of it can be read.
bool count_states(io::FileSystem& fs, const std::string& path, const std::string& below, int depth, Kinds& kinds) {
  Names names;
  if (depth > deepest_folder || fs.list(path, names) != 0) return false;
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (io::is_directory(fs, path + '/' + name)) {
      if (!count_states(fs, path + '/' + name, below + name + '/', depth + 1, kinds)) return false;
    } else if (holds_state(name)) {
      Kind& kind = kinds[kind_of(below + name)];
      ++kind.count;
      kind.name = below + name;
    }
  }
  return true;
}

// Of each kind what more than half have, so that neither one that was cut short nor one that has more (the first, the last) tells
// for all; of two what both have.
Kinds usual_of(const std::vector<Kinds>& all) {
  std::map<std::string, std::vector<Kind>> found;
  for (const Kinds& kinds : all)
    for (const auto& [kind, one] : kinds) found[kind].push_back(one);
  Kinds usual;
  for (auto& [kind, each] : found) {
    if (each.size() <= all.size() / 2) continue;
    std::sort(each.begin(), each.end(), [](const Kind& one, const Kind& other) { return one.count > other.count; });
    usual[kind] = each[all.size() / 2];
  }
  return usual;
}

std::string read_tracker(io::FileSystem& fs, const std::string& path) try {
  if (!io::is_file(fs, path)) return {};
  std::string text = io::read_file(fs, path, longest_tracker);
  text.erase(std::min(text.find_last_not_of(" \t\r\n") + 1, text.size()));
  return text;
} catch (const Error&) {
  return {};
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "iter_0000300" is newer than "200"; a tracker that says "release" says nothing.
bool is_after_iteration(const std::string& name, const std::string& named) {
  constexpr std::string_view beginning = "iter_";
  if (!name.starts_with(beginning)) return false;
  const auto iteration = number_of(std::string_view(name).substr(beginning.size())), latest = number_of(named);
  return iteration && latest && *iteration > *latest;
}

// A file `latest` may be anybody's: that of DeepSpeed holds the name of a checkpoint like this one.
bool is_after_name(const std::string& name, const std::string& named) {
  return without_digits(name) == without_digits(named) && compare_naturally(name, named) > 0;
}

}  // namespace

std::vector<std::string> checkpoints_beside(io::FileSystem& fs, const std::string& path) {
  const std::string name = io::base_name(path), parent = io::parent_directory(path);
  Names beside;
  static_cast<void>(fs.list(parent, beside));
  std::erase_if(beside, [&](const std::string& other) {
    return other == name || without_digits(other) != without_digits(name) || !io::is_directory(fs, parent + '/' + other);
  });
  for (std::string& other : beside) other = parent + '/' + other;
  return beside;
}

void check_is_like_others(io::FileSystem& fs, const std::string& path) {
  std::vector<Kinds> others;
  for (const std::string& other : checkpoints_beside(fs, path))
    if (!count_states(fs, other, "", 0, others.emplace_back())) return;
  Kinds here;
  if (others.empty() || !count_states(fs, path, "", 0, here)) return;
  constexpr const char* why = "it was cut short, or is still being written (if it is whole, move the others away)";
  for (const auto& [kind, wanted] : usual_of(others)) {
    const std::size_t found = here[kind].count;
    if (found == 0) throw Broken{fmt::format("{}, which the checkpoints beside it have, is missing: {}", wanted.name, why)};
    if (found < wanted.count)
      throw Broken{fmt::format("of the {} files like {} that the checkpoints beside it have only {} {} there: {}", wanted.count,
                               wanted.name, found, found == 1 ? "is" : "are", why)};
  }
}

std::string why_not_yet(io::FileSystem& fs, const std::string& path) {
  const std::string name = io::base_name(path), parent = io::parent_directory(path) + '/';
  const auto reason = [](std::string_view tracker) {
    return fmt::format("it is not named by {0} yet: it was cut short, or is still being written (if it is whole, write its name into {0})", tracker);
  };
  if (is_after_iteration(name, read_tracker(fs, parent + std::string(tracker_of_megatron)))) return reason(tracker_of_megatron);
  if (is_after_name(name, read_tracker(fs, parent + std::string(tracker_of_deepspeed)))) return reason(tracker_of_deepspeed);
  return {};
}

}  // namespace ckpt::checkpoints
