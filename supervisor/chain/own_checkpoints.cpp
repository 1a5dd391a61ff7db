// SPDX-License-Identifier: Apache-2.0
#include "chain/own_checkpoints.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "base/working_directory.hpp"
#include "block/open_files.hpp"
#include "block/process_tree.hpp"
#include "checkpoints/judgement.hpp"
#include "io/publish.hpp"
#include "rundir/json_fields.hpp"

namespace ckpt::supervisor {
namespace {

using checkpoints::Candidate;
using checkpoints::Pattern;
using checkpoints::Setting;
using nlohmann::json;

constexpr std::uint64_t blocks_with_rhythms = 20;
constexpr std::size_t copies_by_default = 2;
constexpr std::string_view placeholder = "{resume}";

std::string working_directory() {
  std::error_code unknown;
  return std::filesystem::current_path(unknown);
}

// What is there already belongs to the run that was started over.
double newest_time(io::FileSystem& fs, const Pattern& pattern) {
  double newest = -engine::no_limit;
  for (const Candidate& candidate : pattern.list(fs)) newest = std::max(newest, candidate.modified);
  return newest;
}

// Where the time gives the order. Some minutes may be the clock of another machine.
void warn_of_the_future(const Candidate& candidate) {
  constexpr double tolerated_seconds = 300;
  const double ahead = candidate.modified - system_clock().wall_seconds();
  if (!candidate.order.empty() || ahead < tolerated_seconds) return;
  log_warning("'{0}' is dated {1} in the future: until then nothing that the program writes is newer; give it the time of now: touch '{0}'",
              candidate.path, format_duration(ahead));
}

// From the newest block to older ones: how long it takes outranks how long it took at least before.
void take_stop(const json& ended, SeenCheckpoints& seen) {
  const double seconds = rundir::number_in(ended, "stop_seconds").value_or(0);
  if (ended.value("stop_cut_off", json(false)) == true) {
    if (seen.stops.count() == 0) seen.stop_cut_off_seconds = std::max(seen.stop_cut_off_seconds, seconds);
  } else if (seconds > 0) {
    seen.stops.add(seconds);
  }
}

void refuse_expanded(const Setting& before, const Pattern& now) {
  const Pattern earlier(before.pattern);
  if (before.pattern == now.text()) return;
  if (!earlier.names_one_file() && now.names_one_file() && earlier.matches(now.text()))
    fail(CKPT_ERR_CONFIG,
         "--latest names the file '{}', but the run was started with the pattern '{}': the shell has expanded it; "
         "quote it: --latest '{}'",
         now.text(), before.pattern, before.pattern);
  log_warning("this run's checkpoints were looked for by '{}', from now on by '{}'", before.pattern, now.text());
}

}  // namespace

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0 && c == quote)
      quote = 0;
    else if (c == '\\' && quote != '\'' && i + 1 < text.size())
      word += text[++i];
    else if (quote != 0)
      word += c;
    else if (c == '\'' || c == '"')
      quote = c;
    else if (std::isspace(static_cast<unsigned char>(c)) == 0)
      word += c;
    else {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    in_word = true;
  }
  if (quote != 0) fail(CKPT_ERR_CONFIG, "--resume-args: a quote in '{}' does not end", text);
  if (in_word) words.push_back(word);
  return words;
}

std::vector<std::string> command_of_block(std::vector<std::string> command,
                                          const std::vector<std::string>& resume_words,
                                          const std::optional<checkpoints::Version>& resume) {
  if (resume) command.insert(command.end(), resume_words.begin(), resume_words.end());
  const std::string path = resume ? absolute_path(resume->path()) : "";   // the program may go to another directory first
  for (std::string& word : command) word = replaced(std::move(word), placeholder, path);
  return command;
}

SeenCheckpoints read_seen_checkpoints(io::FileSystem& fs, const rundir::Layout& layout) {
  SeenCheckpoints seen;
  const std::uint64_t newest = rundir::Blocks(fs, layout, {}).newest();
  for (std::uint64_t block = newest; block > 0 && block + blocks_with_rhythms > newest; --block) {
    std::vector<checkpoints::Version> of_block;
    std::optional<checkpoints::Version> from;
    bool in_doubt = false;
    double first_after = 0, ended_after = 0;
    for (const json& line : rundir::read_ledger(fs, layout.ckptrun_ledger(block))) {
      const std::string event = rundir::text_in(line, "event");
      if (event == "ended") {
        take_stop(line, seen);
        ended_after = rundir::number_in(line, "seconds").value_or(0);
      }
      if (event == "started") {
        from = checkpoints::parse_version(rundir::object_in(line, "own_from"));   // may be adopted
        in_doubt = line.value("own_in_doubt", json(false)) == true;
      }
      if (event == "left_open")
        if (const auto version = checkpoints::parse_version(line)) seen.left_open.push_back(version->candidate);
      if (event != "checkpoint") continue;
      const double since_last = rundir::number_in(line, "seconds_since_last").value_or(0);
      if (of_block.empty()) first_after = since_last;
      else seen.intervals.add(since_last);
      if (auto version = checkpoints::parse_version(line)) of_block.push_back(std::move(*version));
    }
    if (of_block.size() == 1) seen.seconds_without_second = std::max(seen.seconds_without_second, ended_after - first_after);
    seen.versions.insert(seen.versions.end(), of_block.rbegin(), of_block.rend());
    if (from) (in_doubt && of_block.empty() ? seen.in_doubt : seen.versions).push_back(std::move(*from));
  }
  return seen;
}

OwnCheckpointsOfRun::OwnCheckpointsOfRun(io::FileSystem& fs, const rundir::Layout& layout,
                                         const CheckpointOptions& options, bool starts_over)
    : fs_(fs), layout_(layout), options_(options) {
  if (options.pattern.empty()) return;
  search_.emplace(checkpoints::Search{Pattern(options.pattern), -engine::no_limit, layout.kept() + "/checkpoints", {}, {}, {},
                                      options.is_by_trainer});
  if (const auto setting = starts_over ? std::nullopt : checkpoints::read_setting(fs, layout.directory())) {
    refuse_expanded(*setting, search_->pattern);
    search_->since = setting->since;
    known_run_ = true;
    must_remember_ = setting->pattern != options.pattern;
    return;
  }
  must_remember_ = true;
  if (starts_over) search_->since = newest_time(fs, search_->pattern);
}

void OwnCheckpointsOfRun::remember(rundir::Permissions permissions) {
  if (!search_ || !std::exchange(must_remember_, false)) return;
  checkpoints::write_setting(fs_, layout_.directory(), {options_.pattern, search_->since, working_directory()},
                             permissions.file);
  known_run_ = true;
}

std::optional<checkpoints::Version> OwnCheckpointsOfRun::put_in_place(const std::optional<checkpoints::Version>& chosen,
                                                                      const std::vector<std::string>& command,
                                                                      std::uint64_t block) const try {
  const auto is_told = [](const std::string& word) { return word.find(placeholder) != std::string::npos; };
  const bool tells = std::any_of(command.begin(), command.end(), is_told) ||
                     std::any_of(options_.resume_words.begin(), options_.resume_words.end(), is_told);
  if (!chosen || tells || !chosen->path().starts_with(search_->copies + '/')) return chosen;
  const std::string file = search_->pattern.the_file();
  const std::string aside = checkpoints::put_back(fs_, chosen->path(), file, block);
  log_info("'{}' is made again from its copy '{}'", file, chosen->path());
  if (!aside.empty()) log_info("the one that was torn is now '{}'", aside);
  checkpoints::Version again = *chosen;
  again.candidate = search_->pattern.list(fs_).at(0);
  return again;
} catch (const Error& error) {
  log_warning("the copy is not put back, and only CKPT_RESUME says where it is: {}", error.what());
  return chosen;
}

// By a program of before that has outlived its ckptrun, or was never this run's; by a copy that is under way. On other nodes only its
// bytes tell.
bool OwnCheckpointsOfRun::is_being_written(const Candidate& candidate) const {
  constexpr double recent_seconds = 30, look_again_seconds = 2;
  if (is_open_for_writing(candidate.path, processes_of_node())) return true;
  if (candidate.modified < system_clock().wall_seconds() - recent_seconds) return false;
  system_clock().sleep_seconds(look_again_seconds);
  const auto there = search_->pattern.list(fs_);
  return std::none_of(there.begin(), there.end(), [&](const Candidate& now) { return now.same_version(candidate); });
}

void OwnCheckpointsOfRun::choose(ChainFacts& facts) {
  if (!search_) return;
  seen_ = read_seen_checkpoints(fs_, layout_);
  search_->remembered = seen_.versions;
  search_->in_doubt = seen_.in_doubt;
  search_->left_open = seen_.left_open;
  if (const auto first = rundir::Blocks(fs_, layout_, {}).read_claim(1)) search_->begun = first->claimed;
  search_->is_being_written = [this](const Candidate& candidate) { return is_being_written(candidate); };
  checkpoints::Choice choice = checkpoints::choose(fs_, *search_);
  const bool is_fresh = std::isfinite(search_->since);
  if (!choice.being_written.empty() && !is_fresh)
    fail(CKPT_ERR_IN_USE, "'{}' is being written by somebody, and there is no other checkpoint to go on from: start again when that is done, "
         "or from the beginning, with --fresh", choice.being_written);
  rejected_ = std::move(choice.rejected);
  doubt_ = choice.doubt.empty() ? "" : fmt::format("{}: {}", choice.newest->path(), choice.doubt);
  broken_.clear();
  for (const Candidate& candidate : checkpoints::list_candidates(fs_, *search_))
    if (std::any_of(rejected_.begin(), rejected_.end(), [&](const auto& one) { return one.path == candidate.path; }))
      broken_.push_back(candidate);
  facts.keeps_own = true;
  facts.checkpoint = std::move(choice.newest);
  facts.had_checkpoints = !search_->remembered.empty() || !search_->in_doubt.empty();
}

void OwnCheckpointsOfRun::warn_of_doubt() const {
  if (!doubt_.empty()) log_warning("what is gone on from is all there is, and may be torn: {}", doubt_);
}

// It may be the only one, and the block may be killed while it writes it anew. Of a format that does not tell only where there is no
// copy that could be lost for it.
void OwnCheckpointsOfRun::keep_what_it_goes_on_from(const OwnCheckpoints& own) const {
  if (!own.keep || !own.resume || own.resume->path().starts_with(search_->copies + '/')) return;
  const bool is_kept = std::any_of(search_->remembered.begin(), search_->remembered.end(), [&](const checkpoints::Version& one) {
    return one.crc == own.resume->crc && one.candidate.bytes == own.resume->candidate.bytes && io::is_file(fs_, one.copy);
  });
  if (is_kept) return;
  const auto copies = checkpoints::list_copies(fs_, own.keep->directory, search_->pattern.text());
  const bool is_newest_copy = !copies.empty() && copies.front().bytes == own.resume->candidate.bytes &&
                              checkpoints::Judgement(fs_, copies.front(), std::nullopt).wait().version.crc == own.resume->crc;
  if (is_newest_copy) return;
  checkpoints::KeepRule rule = *own.keep;
  rule.block = own.keep->block - 1;
  rule.even_if_unknown = copies.empty();
  checkpoints::warn_if_no_copy(checkpoints::Judgement(fs_, own.resume->candidate, rule, search_->is_by_trainer).wait());
}

OwnCheckpoints OwnCheckpointsOfRun::for_block(std::uint64_t block, rundir::Permissions permissions,
                                              const std::optional<checkpoints::Version>& resume) const {
  OwnCheckpoints own{*search_, resume, !doubt_.empty(), broken_, std::nullopt, seen_.intervals, search_->pattern.list(fs_),
                     seen_.seconds_without_second, seen_.stops, seen_.stop_cut_off_seconds};
  const std::size_t copies = options_.copies.value_or(search_->pattern.names_one_file() ? copies_by_default : 0);
  if (copies > 0)
    own.keep = checkpoints::KeepRule{search_->copies, block, copies, false, permissions.directory, permissions.file};
  keep_what_it_goes_on_from(own);
  if (resume) warn_of_the_future(resume->candidate);
  return own;
}

bool put_back_what_is_torn(io::FileSystem& fs, const rundir::Layout& layout) try {
  const auto setting = checkpoints::read_setting(fs, layout.directory());
  if (!setting) return true;
  CheckpointOptions options;
  options.pattern = setting->pattern;
  OwnCheckpointsOfRun own(fs, layout, options, false);
  ChainFacts facts;
  own.choose(facts);
  const auto in_place = own.put_in_place(facts.checkpoint, {}, rundir::Blocks(fs, layout, {}).newest());
  return !in_place || !in_place->path().starts_with(layout.kept() + '/');
} catch (const Error& error) {
  log_warning("whether a checkpoint is torn cannot be seen now: {}", error.what());
  return false;
}

}  // namespace ckpt::supervisor
