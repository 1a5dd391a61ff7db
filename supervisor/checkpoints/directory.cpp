// SPDX-License-Identifier: Apache-2.0
// Checkpoints that are directories: Hugging Face's, torch.distributed.checkpoint's, Orbax's; and any other, whose files
// must all be whole.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "checkpoints/formats.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

using nlohmann::json;
using Names = std::vector<std::string>;

constexpr int deepest = 6;
constexpr std::size_t most_files = 100'000;
constexpr std::uint64_t longest_index = 256u << 20;

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

bool is_distributed_part(std::string_view name) { return name.starts_with("__") && name.ends_with(".distcp"); }

// The names of its files are text in .metadata, a pickle, which is written last.
void check_distributed(io::FileSystem& fs, const std::string& directory, const Names& names) {
  if (!has(names, ".metadata"))
    throw Broken{".metadata, which is written last, is missing: it was cut short, or is still being written"};
  const std::string metadata = io::read_file(fs, directory + "/.metadata", longest_index);
  for (std::size_t end = metadata.find(".distcp"); end != std::string::npos; end = metadata.find(".distcp", end + 1)) {
    const std::size_t begin = metadata.rfind("__", metadata.rfind('_', end) - 1);
    const std::string name = metadata.substr(begin, end + 7 - begin);
    if (begin != std::string::npos && is_distributed_part(name) && name.size() < 64 && !has(names, name))
      throw Broken{fmt::format("{} is missing", name)};
  }
}

std::string format_of(const Names& names) {
  if (has(names, "_CHECKPOINT_METADATA") || has(names, "commit_success.txt")) return "Orbax";
  if (has(names, ".metadata") || has_any(names, is_distributed_part)) return "torch.distributed.checkpoint";
  if (has(names, "trainer_state.json")) return "Hugging Face";
  return "directory";
}

void check_weights(const Names& names) {
  const auto is_weights = [](std::string_view name) {
    return name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".distcp") ||
           name.starts_with("global_step") || name.starts_with("pytorch_model");
  };
  if (!has_any(names, is_weights)) throw Broken{"it has no weights yet (*.safetensors, *.bin)"};
}

}  // namespace

// What has nothing to tell does not make the others doubtful, unless all are so.
Finding examine_directory(io::FileSystem& fs, const std::string& path, int depth) {
  Names names;
  if (const int error = fs.list(path, names)) fail_io(error, "cannot read '{}'", path);
  if (depth > deepest || names.size() > most_files) throw Broken{"it has too many files, or folders in folders"};
  if (names.empty()) throw Broken{"it is empty"};
  Finding finding{Wholeness::unknown, format_of(names), ""};
  if (finding.format == "torch.distributed.checkpoint") check_distributed(fs, path, names);
  if (finding.format == "Hugging Face") check_weights(names);
  if (finding.format == "Orbax") finding.state = Wholeness::whole;  // the mark is written when all is there
  for (const std::string& name : names) {
    if (is_unfinished_name(name))
      throw Broken{fmt::format("{} in it is still being written, or was never finished", name)};
    if (name.ends_with(".index.json"))
      check_shards(fs, path, name, names);
    else if (name.ends_with(".json"))
      check_json(fs, path + '/' + name, name);
    const Finding inside = examine_at_depth(fs, path + '/' + name, depth + 1);
    if (inside.state == Wholeness::broken) throw Broken{fmt::format("{}: {}", name, inside.reason)};
    if (inside.state == Wholeness::whole) finding.state = Wholeness::whole;
  }
  return finding;
}

}  // namespace ckpt::checkpoints
