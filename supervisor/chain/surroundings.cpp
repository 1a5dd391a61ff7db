// SPDX-License-Identifier: Apache-2.0
#include "chain/surroundings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"
#include "chain/python_packages.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t largest_read_bytes = 1u << 20;   // more than that is told by size and time
constexpr std::size_t most_sources = 64;                  // beside the script
constexpr std::size_t most_neighbours = 2000;             // a folder of data is not looked through
constexpr std::uint64_t blocks_looked_at = 20;
constexpr std::string_view by_content = "content ";

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(largest_read_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

std::string first_line(const fs::path& path) {
  const std::string text = text_of(path);
  return text.substr(0, text.find('\n'));
}

std::uint64_t digest(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

std::string fingerprint(const fs::path& path) {
  std::error_code failed;
  const std::uintmax_t size = fs::file_size(path, failed);
  if (failed) return {};
  if (size <= largest_read_bytes) return fmt::format("{}{:016x}", by_content, digest(text_of(path)));
  const auto time = fs::last_write_time(path, failed).time_since_epoch().count();
  return fmt::format("{}of {}, {}", by_content, format_size(size), time);
}

// Until `look` says false. What cannot be listed is empty.
template <class Look>
void for_each_in(const fs::path& folder, Look&& look) {
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed))
    if (!look(entry->path())) return;
}

std::optional<fs::path> script_of(const std::vector<std::string>& command) {
  std::error_code ignored;
  for (std::size_t i = 1; i < command.size(); ++i)
    if (fs::is_regular_file(command[i], ignored)) return fs::absolute(command[i]);
  return std::nullopt;
}

// What a script imports is most often beside it. Sorted, so that the same ones are looked at each time.
std::set<fs::path> sources_beside(const fs::path& script) {
  std::set<fs::path> sources;
  std::size_t neighbours = 0;
  for_each_in(script.parent_path(), [&](const fs::path& path) {
    if (path.extension() == ".py") sources.insert(path);
    return ++neighbours < most_neighbours;
  });
  if (neighbours == most_neighbours) return {};
  while (sources.size() > most_sources) sources.erase(std::prev(sources.end()));
  return sources;
}

// .git is a folder, or a file that names one (a worktree, a submodule); what branches share is in commondir then.
std::optional<fs::path> git_folder(fs::path below) {
  std::error_code ignored;
  for (; below.has_relative_path(); below = below.parent_path()) {
    const fs::path git = below / ".git";
    if (fs::is_directory(git, ignored)) return git;
    constexpr std::string_view word = "gitdir: ";
    if (const std::string line = first_line(git); line.starts_with(word)) return below / line.substr(word.size());
  }
  return std::nullopt;
}

std::string packed_commit(const fs::path& git, const std::string& branch) {
  const std::string text = text_of(git / "packed-refs");
  const std::size_t at = text.find(' ' + branch + '\n');
  if (at == std::string::npos) return {};
  const std::size_t line = text.rfind('\n', at) + 1;   // npos + 1 is the beginning
  return text.substr(line, at - line);
}

std::string commit_of(const fs::path& folder) {
  const auto git = git_folder(folder);
  if (!git) return {};
  const std::string head = first_line(*git / "HEAD");
  constexpr std::string_view word = "ref: ";
  if (!head.starts_with(word)) return head;
  const std::string branch = head.substr(word.size()), common = first_line(*git / "commondir");
  const fs::path shared = common.empty() ? *git : *git / common;
  const std::string loose = first_line(shared / branch);
  return loose.empty() ? packed_commit(shared, branch) : loose;
}

// As environment modules and Lmod tell them: "gcc/12:cuda/12.1".
std::string loaded_modules() {
  std::string modules = environment_variable("LOADEDMODULES");
  std::replace(modules.begin(), modules.end(), ':', ' ');
  return modules;
}

std::string gpu_models(const fs::path& proc) {
  std::set<std::string> models;
  for_each_in(proc / "driver/nvidia/gpus", [&](const fs::path& gpu) {
    const std::string line = first_line(gpu / "information");   // "Model: \t\t NVIDIA H100"
    const std::size_t at = line.find_first_not_of(" \t", std::min(line.find(':'), line.size() - 1) + 1);
    if (at != std::string::npos) models.insert(line.substr(at));
    return true;
  });
  return models.empty() ? "none" : fmt::format("{}", fmt::join(models, ", "));
}

std::string difference(const std::string& name, const std::string& before, const std::string& now) {
  if (before.starts_with(by_content) && now.starts_with(by_content)) return name + " has changed";
  return fmt::format("{}: was {}, now {}", name, before, now);
}

std::set<std::string> words_of(const std::string& text) {
  std::set<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.insert(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::string without(const std::set<std::string>& all, const std::set<std::string>& others) {
  std::vector<std::string> rest;
  std::set_difference(all.begin(), all.end(), others.begin(), others.end(), std::back_inserter(rest));
  return fmt::format("{}", fmt::join(rest, " "));
}

std::string difference_of_lists(const std::string& name, const std::string& before, const std::string& now) {
  const auto before_words = words_of(before), words = words_of(now);
  const std::string gone = without(before_words, words), come = without(words, before_words);
  if (gone.empty()) return fmt::format("{}: new are {}", name, come);
  if (come.empty()) return fmt::format("{}: gone are {}", name, gone);
  return difference(name, gone, come);
}

}  // namespace

Surroundings look_around(const std::string& program, const std::vector<std::string>& command, const std::string& proc) {
  const bool is_known = !program.empty();
  const fs::path executed = is_known ? fs::absolute(program).lexically_normal() : fs::path();
  const auto script = script_of(command);
  std::error_code unknown;
  Surroundings found = {{"program", executed}, {"the program's file", fingerprint(executed)},
                        {"commit", commit_of(script ? script->parent_path() : fs::current_path(unknown))},
                        {"Python packages", is_known ? python_packages(executed) : ""}, {"modules", loaded_modules()},
                        {"GPU", gpu_models(proc)},
                        {"GPU driver", first_line(fs::path(proc) / "driver/nvidia/version")}};
  if (script) found[script->filename()] = fingerprint(*script);
  if (script && script->extension() == ".py")
    for (const fs::path& source : sources_beside(*script)) found[source.filename()] = fingerprint(source);
  std::erase_if(found, [](const auto& fact) { return fact.second.empty(); });
  return found;
}

std::string describe_change(const Surroundings& before, const Surroundings& now) {
  std::vector<std::string> changes;
  for (const auto& [name, value] : now) {
    const auto old = before.find(name);
    if (old == before.end() || old->second == value) continue;
    const bool is_list = name == "Python packages" || name == "modules";
    changes.push_back(is_list ? difference_of_lists(name, old->second, value) : difference(name, old->second, value));
  }
  return fmt::format("{}", fmt::join(changes, "; "));
}

Surroundings surroundings_of(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
  for (std::uint64_t looked_at = 0; block > 0 && looked_at < blocks_looked_at; --block, ++looked_at)
    for (const nlohmann::json& line : rundir::read_ledger(fs, layout.ckptrun_ledger(block))) {
      if (line.value("event", "") != "surroundings" || !line.contains("found")) continue;
      if (const auto& found = line["found"]; found.is_object()) {
        Surroundings known;
        for (const auto& [name, value] : found.items())
          if (value.is_string()) known[name] = value;
        return known;
      }
    }
  return {};
}

void refuse_changes(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block, const Surroundings& now) {
  const std::string change = describe_change(surroundings_of(fs, layout, block), now);
  if (!change.empty())
    fail(CKPT_ERR_CONFIG, "--strict: since block {} of {} something else than its command has changed: {}; add "
         "--accept-changes to go on with that, or --run NAME for a run of its own", block, layout.directory(), change);
}

}  // namespace ckpt::supervisor
