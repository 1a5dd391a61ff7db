// SPDX-License-Identifier: Apache-2.0
#include "dataset/stage.hpp"

#include <fmt/format.h>
#include <unistd.h>

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

// A job's own, so that two on one node do not meet; an earlier try of the same job is done over.
std::string folder_name() {
  const JobEnvironment job = read_job_environment();
  return job.id.empty() ? fmt::format("ckpt-data-{}", ::getpid()) : "ckpt-data-" + job.id;
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

NodeFolder::NodeFolder() {
  const NodeDisk disk = read_node_disk();
  path_ = (stdfs::path(disk.directory) / folder_name()).string();
  cleared_by_site_ = disk.cleared_by_site;
  std::error_code failed;
  stdfs::create_directories(path_, failed);
  if (failed)
    fail(CKPT_ERR_CONFIG, "'{}' on the node's own disk cannot be made: {}; TMPDIR names another place", path_, failed.message());
}

NodeFolder::~NodeFolder() {
  if (cleared_by_site_) return;
  std::error_code failed;
  stdfs::remove_all(path_, failed);
  if (failed) log_warning("'{}' with the staged data is not removed: {}", path_, failed.message());
}

Stage::Stage(const Preparation& preparation, SignalInbox& signals, Clock& clock)
    : preparation_(preparation), signals_(signals), clock_(clock) {
  const double began = clock.monotonic_seconds();
  require_space();
  for (const Archive& archive : preparation.archives)
    if (!signals.stop_reason()) unpack(archive);
  if (!preparation.setup_command.empty() && !signals.stop_reason()) set_up(preparation.setup_command);
  seconds_ = clock.monotonic_seconds() - began;
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
  run(words, fmt::format("{} of {}", archive.unpacker.front(), archive.path), [&] { pace.look(); });
  const double seconds = clock_.monotonic_seconds() - began;
  if (signals_.stop_reason()) return;
  log_info("{} is unpacked: {} in {}, {}", archive.name(), format_size(archive.size_bytes), format_duration(seconds),
           per_second(static_cast<double>(archive.size_bytes), seconds));
}

void Stage::set_up(const std::string& command) {
  log_info("--setup: {}", command);
  run({"sh", "-c", expand(command)}, "--setup '" + command + "'");
}

void Stage::run(const Words& words, const std::string& what, const std::function<void()>& look) {
  const Words all = preparation_.on_every_node ? preparation_.on_every_node(words) : words;
  Child child(find_program(all.front()).path, all, child_environment({"CKPT_DATA=" + directory()}), signals_);
  child.release();
  wait_for(child, signals_, what, look);
  if (signals_.stop_reason() || child.exit_code() == 0) return;
  fail(CKPT_ERR_CONFIG, "{} ended with {}, as it says above; the program is not started", what,
       describe_exit(child.exit_code(), child.signal()));
}

}  // namespace ckpt::supervisor
