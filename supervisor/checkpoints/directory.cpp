// SPDX-License-Identifier: Apache-2.0
// Checkpoints that are directories: Hugging Face's, torch.distributed.checkpoint's, Orbax's; and any other, whose files
// must all be whole.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "checkpoints/beside.hpp"
#include "checkpoints/formats.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

using nlohmann::json;
using Names = std::vector<std::string>;

constexpr std::size_t most_files = 100'000;
constexpr std::uint64_t longest_index = 256u << 20;
constexpr const char* no_weights = "it has no weights yet (*.safetensors, *.bin)";

bool has(const Names& names, std::string_view wanted) {
  return std::find(names.begin(), names.end(), wanted) != names.end();
}

template <class Predicate>
bool has_any(const Names& names, Predicate predicate) {
  return std::any_of(names.begin(), names.end(), predicate);
}

// model.safetensors.index.json: every file that it names is there.
void check_shards(io::FileSystem& fs, const std::string& directory, const std::string& index, const Names& names) try {
  const json content = json::parse(io::read_file(fs, directory + '/' + index, longest_index));
  for (const auto& [tensor, file] : content.at("weight_map").items())
    if (!has(names, file.get<std::string>()))
      throw Broken{fmt::format("{}, which {} names, is missing", file.get<std::string>(), index)};
} catch (const json::exception&) {
  throw Broken{fmt::format("{} is damaged", index)};
}

void check_json(io::FileSystem& fs, const std::string& path, const std::string& name) {
  if (!json::accept(io::read_file(fs, path, longest_index))) throw Broken{fmt::format("{} is damaged", name)};
}

// "model-00002-of-00005.safetensors": what all of these have in common, and how many they are.
std::optional<std::pair<std::string, std::size_t>> shards_of(const std::string& name) {
  constexpr std::string_view between = "-of-";
  constexpr std::size_t digits = 5;
  const std::size_t at = name.find(between);
  if (at == name.npos || at < digits || at + between.size() + digits > name.size()) return std::nullopt;
  const auto number_at = [&](std::size_t begin) -> std::optional<std::size_t> {
    const char *const first = name.data() + begin, *const last = first + digits;
    std::size_t number = 0;
    return std::from_chars(first, last, number).ptr == last ? std::optional(number) : std::nullopt;
  };
  const auto count = number_at(at + between.size());
  if (!number_at(at - digits) || !count) return std::nullopt;
  return std::pair(name.substr(0, at - digits) + '*' + name.substr(at), *count);
}

// The index that names them is written after them.
void check_numbered_shards(const Names& names) {
  std::map<std::pair<std::string, std::size_t>, std::size_t> there;
  for (const std::string& name : names)
    if (const auto shards = shards_of(name)) ++there[*shards];
  for (const auto& [shards, found] : there)
    if (found < shards.second) throw Broken{fmt::format("of {} only {} are there", shards.first, found)};
}

// Of Orbax: what is in the tables stands in the manifest, and is nothing without it.
void check_tables(const Names& names) {
  constexpr std::string_view manifest = "manifest.ocdbt", beginning_of_process = "ocdbt.process_";
  const auto is_of_process = [&](const std::string& name) { return name.starts_with(beginning_of_process); };
  const bool has_tables = has_any(names, is_of_process) || (has(names, "_METADATA") && has(names, "d"));
  if (has_tables && !has(names, manifest)) throw Broken{fmt::format("{} is missing", manifest)};
}

bool is_distributed_part(std::string_view name) { return name.starts_with("__") && name.ends_with(".distcp"); }

void check_named_part(io::FileSystem& fs, const std::string& directory, const std::string& name) {
  io::FileInfo info;
  if (fs.info(directory + '/' + name, info) != 0) throw Broken{fmt::format("{} is missing", name)};
  if (info.size_bytes == 0) throw Broken{fmt::format("{} is empty", name)};
}

// The names of its files are text in .metadata, a pickle, which is written last. A rank without arrays leaves an empty one,
// which is not named.
void check_distributed(io::FileSystem& fs, const std::string& directory, const Names& names) {
  if (!has(names, ".metadata"))
    throw Broken{".metadata, which is written last, is missing: it was cut short, or is still being written"};
  const std::string metadata = io::read_file(fs, directory + "/.metadata", longest_index);
  if (!is_pickle(metadata)) throw Broken{".metadata is damaged"};
  for (std::size_t end = metadata.find(".distcp"); end != std::string::npos; end = metadata.find(".distcp", end + 1)) {
    const std::size_t begin = metadata.rfind("__", metadata.rfind('_', end) - 1);
    const std::string name = metadata.substr(begin, end + 7 - begin);
    if (begin != std::string::npos && is_distributed_part(name) && name.size() < 64)
      check_named_part(fs, directory, name);
  }
}

constexpr const char* state_of_trainer = "trainer_state.json";  // of Hugging Face, written last

// Of what the Trainer writes first nothing tells that more will come, but for the checkpoints before it.
bool is_beside_one_of_trainer(io::FileSystem& fs, const std::string& path) {
  return has_any(checkpoints_beside(fs, path), [&](const std::string& other) {
    return io::is_file(fs, other + '/' + state_of_trainer);
  });
}

std::string format_of(io::FileSystem& fs, const std::string& path, const Names& names, int depth) {
  if (has(names, "_CHECKPOINT_METADATA") || has(names, "commit_success.txt")) return "Orbax";
  if (has(names, ".metadata") || has_any(names, is_distributed_part)) return "torch.distributed.checkpoint";
  if (has(names, state_of_trainer) || has(names, "training_args.bin") ||
      (depth == 0 && is_beside_one_of_trainer(fs, path)))
    return "Hugging Face";
  return "directory";
}

void check_is_finished(const Names& names) {
  if (!has(names, state_of_trainer)) throw Broken{unfinished_by_trainer};
}

void check_weights(const Names& names) {
  constexpr std::string_view beside_weights[] = {"training_args", "optimizer.", "scheduler.", "scaler.", "rng_state"};
  const auto is_weights = [&](std::string_view name) {
    const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
    if (std::any_of(std::begin(beside_weights), std::end(beside_weights), begins)) return false;
    return holds_state(name) || name.ends_with(".distcp") || begins("global_step") || begins("pytorch_model");
  };
  if (!has_any(names, is_weights)) throw Broken{no_weights};
}

// Of a model its description is written first.
void check_more_than_description(const Names& names) {
  const auto describes = [](const std::string& name) { return name.ends_with("config.json"); };
  if (std::all_of(names.begin(), names.end(), describes)) throw Broken{no_weights};
}

// "variables" of "variables.index", where it has files beside it; else the name itself.
std::string prefix_of_tensorflow(const Names& names, const std::string& name) {
  constexpr std::string_view ending = ".index";
  if (!name.ends_with(ending)) return name;
  const std::string prefix = name.substr(0, name.size() - ending.size());
  const auto is_data = [&](const std::string& other) { return other.starts_with(prefix + ".data-"); };
  return has_any(names, is_data) ? prefix : name;
}

}  // namespace

const char* const unfinished_by_trainer =
    "trainer_state.json, which is written last, is missing: it was cut short, or is still being written";

// What has nothing to tell does not make the others doubtful, unless all are so. Where no file is known to be the last
// one, each may be whole while others are still to come: only rest tells.
Finding examine_directory(io::FileSystem& fs, const std::string& path, int depth) {
  Names names;
  if (const int error = fs.list(path, names)) fail_io(error, "cannot read '{}'", path);
  if (depth > deepest_folder || names.size() > most_files) throw Broken{"it has too many files, or folders in folders"};
  if (names.empty() && depth == 0) throw Broken{"it is empty"};
  if (const std::string why = depth == 0 ? why_not_yet(fs, path) : ""; !why.empty()) throw Broken{why};
  Finding finding{Wholeness::unknown, format_of(fs, path, names, depth), ""};
  if (finding.format == "torch.distributed.checkpoint") check_distributed(fs, path, names);
  if (finding.format == "Hugging Face") {
    check_weights(names);
    check_is_finished(names);
  }
  if (depth == 0) check_more_than_description(names);
  if (depth == 0 && finding.format == "directory") check_is_like_others(fs, path);
  check_numbered_shards(names);
  check_tables(names);
  if (finding.format == "Orbax") finding.state = Wholeness::whole;  // the mark is written when all is there
  for (const std::string& name : names) {
    if (is_unfinished_name(name))
      throw Broken{fmt::format("{} in it is still being written, or was never finished", name)};
    if (name.ends_with(".index.json"))
      check_shards(fs, path, name, names);
    else if (name.ends_with(".json"))
      check_json(fs, path + '/' + name, name);
    const Finding inside = examine_at_depth(fs, path + '/' + prefix_of_tensorflow(names, name), depth + 1);
    if (inside.state == Wholeness::broken) throw Broken{fmt::format("{}: {}", name, inside.reason)};
    if (inside.state == Wholeness::whole && finding.format != "directory") finding.state = Wholeness::whole;
  }
  return finding;
}

}  // namespace ckpt::checkpoints
