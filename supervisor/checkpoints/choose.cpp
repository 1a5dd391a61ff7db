// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/choose.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "checkpoints/judgement.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"
#include "rundir/json_fields.hpp"
#include "rundir/listing.hpp"

namespace ckpt::checkpoints {
namespace {

using nlohmann::json;

constexpr std::uint64_t longest_setting = 1u << 20;
constexpr const char* not_seen_at_rest =
    "its program was killed or failed before it was seen at rest, and its format does not tell whether it is whole";
constexpr const char* smaller_than_before =
    "it is much smaller than the one before it, and its format does not tell whether it is whole";
constexpr const char* copy_of_what_may_be_torn = "it is a copy of one that may be torn";
constexpr const char* being_written = "somebody is writing it, and its format does not tell whether it is whole";

std::string path_of_setting(const std::string& run_directory) { return run_directory + "/checkpoints.json"; }

bool is_copy(const Candidate& candidate, const Search& search) { return candidate.path.starts_with(search.copies + '/'); }

bool is_remembered(const Candidate& candidate, const Search& search) {
  return std::any_of(search.remembered.begin(), search.remembered.end(),
                     [&](const Version& one) { return one.candidate.same_version(candidate); });
}

// It can be told whether somebody is writing one whose format does not tell, unless it was seen at rest.
std::string why_rejected(const Judged& judged, const Search& search) {
  const Candidate& candidate = judged.version.candidate;
  if (judged.finding.state == Wholeness::broken) return judged.finding.reason;
  const bool may_be_written = judged.finding.state == Wholeness::unknown && search.is_being_written &&
                              !is_copy(candidate, search) && !is_remembered(candidate, search);
  if (may_be_written && search.is_being_written(candidate)) return being_written;
  return changed_since(judged.version, search.remembered);
}

// Of the newest one that is known to have been whole, else of the one that was there before.
std::uint64_t bytes_before(const Candidate& candidate, const Search& search, const std::vector<Candidate>& all) {
  if (!search.remembered.empty()) return bytes_of_one_like(candidate, search.remembered);
  const Candidate* before = nullptr;
  for (const Candidate& other : all)
    if (other.modified < candidate.modified && are_alike(other, candidate) && (!before || other.modified > before->modified)) before = &other;
  return before ? before->bytes : 0;
}

// A copy of what may have been torn. Where the program has written since it could read that.
bool is_copy_in_doubt(const Version& copy, const Search& search, const std::vector<Candidate>& all) {
  return std::any_of(search.in_doubt.begin(), search.in_doubt.end(), [&](const Version& one) {
    return one.crc == copy.crc && one.candidate.bytes == copy.candidate.bytes && !has_one_behind(one.candidate, all);
  });
}

// Where its format does not tell whether it is whole, and no block has seen it at rest: why a kill may have left it. What HDF5 tells is
// that nothing is missing of what was written so far.
std::string why_doubtful(const Judged& judged, const Search& search, const std::vector<Candidate>& all) {
  const Candidate& candidate = judged.version.candidate;
  const bool is_unknown = judged.finding.state == Wholeness::unknown;
  if (judged.finding.by_checksum || is_remembered(candidate, search)) return {};
  if (is_copy(candidate, search)) return is_unknown && is_copy_in_doubt(judged.version, search, all) ? copy_of_what_may_be_torn : "";
  const bool has_followers = has_one_behind(candidate, all);
  const bool may_be_a_part = is_unknown || judged.finding.format == "HDF5";
  if (may_be_a_part && is_short(candidate, bytes_before(candidate, search, all))) return smaller_than_before;
  const auto is_it = [&](const Candidate& one) { return one.same_version(candidate); };
  if (!has_followers && std::any_of(search.left_open.begin(), search.left_open.end(), is_it)) return not_seen_at_rest;
  const bool is_of_run = !search.remembered.empty() || candidate.modified > search.begun;
  return is_unknown && is_of_run && !has_followers ? not_seen_at_rest : "";
}

// Of what the pattern matches now what is of this run, and behind it the copies.
std::vector<Candidate> candidates_among(io::FileSystem& fs, const Search& search, std::vector<Candidate> candidates) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.modified <= search.since; });
  if (!search.pattern.names_one_file()) return candidates;
  for (Candidate copy : list_copies(fs, search.copies, search.pattern.text())) {
    copy.order.clear();  // of copies among themselves, which is no order of checkpoints
    candidates.push_back(std::move(copy));
  }
  return candidates;
}

}  // namespace

std::vector<Candidate> list_candidates(io::FileSystem& fs, const Search& search) {
  return candidates_among(fs, search, search.pattern.list(fs));
}

bool has_one_behind(const Candidate& candidate, const std::vector<Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [&](const Candidate& other) { return other.modified > candidate.modified; });
}

bool are_alike(const Candidate& one, const Candidate& other) {
  return without_digits(io::base_name(one.path)) == without_digits(io::base_name(other.path));
}

std::uint64_t bytes_of_one_like(const Candidate& candidate, const std::vector<Version>& versions) {
  const auto like = std::find_if(versions.begin(), versions.end(), [&](const Version& one) { return are_alike(one.candidate, candidate); });
  return like == versions.end() ? 0 : like->candidate.bytes;
}

bool is_short(const Candidate& candidate, std::uint64_t bytes_before) noexcept {
  return candidate.bytes < bytes_before - bytes_before / 10;
}

std::string changed_since(const Version& version, const std::vector<Version>& remembered) {
  const auto same = std::find_if(remembered.begin(), remembered.end(),
                                 [&](const Version& one) { return one.candidate.same_version(version.candidate); });
  if (same == remembered.end() || same->crc == version.crc) return {};
  return "its bytes are not those that were found whole, although its time and size are the same: the disk has changed "
         "them";
}

Choice choose(io::FileSystem& fs, const Search& search) {
  Choice choice;
  std::optional<Version> doubtful;   // taken where there is nothing else
  std::size_t newer_than_doubtful = 0;
  const std::vector<Candidate> written = search.pattern.list(fs);
  for (const Candidate& candidate : candidates_among(fs, search, written)) {
    const Judged judged = Judgement(fs, candidate, std::nullopt, search.is_by_trainer).wait();
    const std::string why = why_rejected(judged, search);
    const std::string doubt = why.empty() ? why_doubtful(judged, search, written) : "";
    if (why.empty() && doubt.empty()) {
      choice.newest = judged.version;
      break;
    }
    if (why.empty() && !doubtful) {
      doubtful = judged.version;
      choice.doubt = doubt;
      newer_than_doubtful = choice.rejected.size();
    }
    if (why == being_written && choice.being_written.empty()) choice.being_written = candidate.path;
    choice.rejected.push_back({candidate.path, why.empty() ? doubt : why});
  }
  if (choice.newest || !doubtful) {
    choice.doubt.clear();
  } else {
    choice.newest = doubtful;
    choice.rejected.resize(newer_than_doubtful);
  }
  if (choice.newest) choice.being_written.clear();
  return choice;
}

std::optional<Setting> read_setting(io::FileSystem& fs, const std::string& run_directory) {
  const auto text = rundir::read_if_there(fs, path_of_setting(run_directory), longest_setting);
  if (!text) return std::nullopt;
  const json value = json::parse(*text, nullptr, false);
  Setting setting;
  setting.pattern = rundir::text_in(value, "pattern");
  setting.directory = rundir::text_in(value, "directory");
  if (const auto since = rundir::number_in(value, "since")) setting.since = *since;
  if (setting.pattern.empty())
    fail(CKPT_ERR_DAMAGED, "'{}' does not tell where the checkpoints are; remove it to have it written anew",
         path_of_setting(run_directory));
  return setting;
}

std::vector<Candidate> list_of_run(io::FileSystem& fs, const std::string& run_directory) try {
  const auto setting = read_setting(fs, run_directory);
  if (!setting) return {};
  const bool is_relative = !setting->pattern.starts_with('/') && !setting->pattern.starts_with("~/");
  const Pattern pattern(is_relative ? setting->directory + '/' + setting->pattern : setting->pattern);
  return list_candidates(fs, {pattern, setting->since, run_directory + "/kept/checkpoints", {}});
} catch (const Error&) {
  return {};
}

void write_setting(io::FileSystem& fs, const std::string& run_directory, const Setting& setting,
                   std::uint32_t permissions) {
  const json value = {{"pattern", setting.pattern},
                      {"directory", setting.directory},
                      {"since", std::isfinite(setting.since) ? json(setting.since) : json()}};
  io::replace_file(fs, path_of_setting(run_directory), value.dump(2) + "\n", permissions);
}

}  // namespace ckpt::checkpoints
