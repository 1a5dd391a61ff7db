// SPDX-License-Identifier: Apache-2.0
#include "dataset/stage.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "block/child.hpp"
#include "block/outcome.hpp"
#include "block/process_tree.hpp"
#include "block/side_command.hpp"
#include "dataset/read_position.hpp"

namespace ckpt::supervisor {
namespace {

namespace stdfs = std::filesystem;

constexpr double seconds_between_words = 30;
constexpr std::string_view data_in_braces = "{data}";
// Data may have come with folders that are not to be written to.
constexpr const char* remove_folder = "{ rm -rf \"$0\" 2>/dev/null || { chmod -R u+rwX \"$0\"; rm -rf \"$0\"; }; }";

// Of a job and a run, so that neither two jobs on one node meet nor two runs in one job; an earlier try is done over.
std::string folder_name(const std::string& run_directory) {
  const JobEnvironment job = read_job_environment();
  const std::uint64_t run = XXH3_64bits(run_directory.data(), run_directory.size());
  return fmt::format("ckpt-data-{}{:08x}", job.id.empty() ? "" : job.id + '-', run >> 32);
}

std::string per_second(double bytes, double seconds) {
  return format_size(static_cast<std::uint64_t>(bytes / std::max(seconds, 1e-3))) + "/s";
}

// "data.tar: 43 %, 210 MiB/s", now and then.
class Pace {
 public:
  Pace(const Archive& archive, Clock& clock) : archive_(archive), clock_(clock), began_(clock.monotonic_seconds()) {}

  void look() {
    const double seconds = clock_.monotonic_seconds() - began_;
    if (seconds < next_word_) return;
    next_word_ = seconds + seconds_between_words;
    const auto read = read_position(descendants(), archive_.path);
    if (!read || *read == 0 || archive_.size_bytes == 0) return;
    const auto bytes = static_cast<double>(*read), all = static_cast<double>(archive_.size_bytes);
    log_info("{}: {:.0f} % unpacked, {}, about {} more", archive_.name(), 100 * bytes / all, per_second(bytes, seconds),
             format_duration(seconds * (all - bytes) / bytes));
  }

 private:
  const Archive& archive_;
  Clock& clock_;
  const double began_;
  double next_word_ = seconds_between_words;
};

}  // namespace

std::string OnNodes::ending(const Words& words, const std::string& what, const std::string& data,
                            const std::function<void()>& look, double until) const {
  const Words all = preparation_.on_every_node ? preparation_.on_every_node(words) : words;
  Child child(find_program(all.front()).path, all, child_environment({"CKPT_DATA=" + data}), signals_);
  child.release();
  wait_for(child, signals_, what, look, until);
  if (signals_.stop_reason() || child.exit_code() == 0) return {};
  return describe_exit(child.exit_code(), child.signal());
}

void OnNodes::run(const Words& words, const std::string& what, const std::string& data, const std::function<void()>& look) const {
  if (const std::string ended = ending(words, what, data, look, until_); !ended.empty() && !time_is_up())
    fail(CKPT_ERR_CONFIG, "{} ended with {}, as it says above; the program is not started", what, ended);
}

std::string OnNodes::clean_up(const Words& words, const std::string& what, const std::string& data) const {
  return ending(words, what, data, {}, engine::no_limit);
}

NodeFolder::NodeFolder(const OnNodes& nodes, const std::string& run_directory) : nodes_(nodes) {
  const NodeDisk disk = read_node_disk();
  path_ = (stdfs::path(disk.directory) / folder_name(run_directory)).string();
  cleared_by_site_ = disk.cleared_by_site;
  nodes_.run({"sh", "-c", fmt::format(R"({} && mkdir -p "$0")", remove_folder), path_},
             fmt::format("making '{}' on the node's own disk (TMPDIR names another place)", path_), path_);
}

NodeFolder::~NodeFolder() {
  if (cleared_by_site_) return;
  std::string failed;
  try {
    failed = nodes_.clean_up({"sh", "-c", remove_folder, path_}, "removing the staged data", path_);
  } catch (const Error& error) {
    failed = error.what();
  }
  if (!failed.empty()) log_warning("'{}' with the staged data is not removed: {}", path_, failed);
}

Stage::Stage(const Preparation& preparation, const std::string& run_directory, SignalInbox& signals, Clock& clock, double until)
    : preparation_(preparation), clock_(clock), nodes_(preparation, signals, clock, until), folder_(nodes_, run_directory) {
  const double began = clock.monotonic_seconds();
  require_space();
  for (const Archive& archive : preparation.archives)
    if (!nodes_.cut_off()) unpack(archive);
  if (!preparation.setup_command.empty() && !nodes_.cut_off()) set_up(preparation.setup_command);
  seconds_ = clock.monotonic_seconds() - began;
  cut_off_ = nodes_.cut_off();
}

std::string Stage::expand(std::string word) const { return replaced(std::move(word), data_in_braces, directory()); }

// What is unpacked is seldom smaller than the archive.
void Stage::require_space() const {
  std::uint64_t needed = 0;
  for (const Archive& archive : preparation_.archives) needed += archive.size_bytes;
  std::error_code unknown;
  const stdfs::space_info space = stdfs::space(directory(), unknown);
  if (!unknown && space.available < needed)
    fail(CKPT_ERR_NO_SPACE, "the data needs at least {} in '{}', and {} are free: ask for more of the node's own disk, or name "
         "another place with TMPDIR", format_size(needed), directory(), format_size(space.available));
}

void Stage::unpack(const Archive& archive) {
  const std::string target = archive.folder.empty() ? directory() : directory() + '/' + archive.folder;
  log_info("unpacking {} ({}) into {}", archive.path, format_size(archive.size_bytes), target);
  const double began = clock_.monotonic_seconds();
  Words words = {"sh", "-c", R"(mkdir -p "$0" && exec "$@")", target};
  words.insert(words.end(), archive.unpacker.begin(), archive.unpacker.end());
  words.push_back(target);
  Pace pace(archive, clock_);
  nodes_.run(words, fmt::format("{} of {}", archive.unpacker.front(), archive.path), directory(), [&] { pace.look(); });
  const double seconds = clock_.monotonic_seconds() - began;
  if (nodes_.cut_off()) return;
  log_info("{} is unpacked: {} in {}, {}", archive.name(), format_size(archive.size_bytes), format_duration(seconds),
           per_second(static_cast<double>(archive.size_bytes), seconds));
}

void Stage::set_up(const std::string& command) {
  log_info("--setup: {}", command);
  nodes_.run({"sh", "-c", expand(command)}, "--setup '" + command + "'", directory());
}

}  // namespace ckpt::supervisor
