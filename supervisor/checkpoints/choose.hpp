// SPDX-License-Identifier: Apache-2.0
// Which checkpoint a block goes on from: the newest one that is whole.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "checkpoints/version.hpp"

namespace ckpt::checkpoints {

struct Search {
  Pattern pattern;
  // Of a run that started over: what was there then is older, or as old (wall seconds). The others take what is there.
  double since = -std::numeric_limits<double>::infinity();
  std::string copies;               // the directory of the copies of a file that is overwritten in place
  std::vector<Version> remembered;  // found whole by earlier blocks, or gone on from, newest first
  std::vector<Version> in_doubt{};  // gone on from because there was nothing else, by a block that left nothing whole
  std::vector<Candidate> left_open{};   // for writing, by programs that were cut off
  bool is_by_trainer = false;       // of Hugging Face, as the user says
  // When the run's first block began (wall seconds): what was there before was not left by a kill that the run knows of.
  double begun = std::numeric_limits<double>::infinity();
  std::function<bool(const Candidate&)> is_being_written{};  // by whomever; asked of one whose format does not tell
};

struct Rejected {
  std::string path, reason;
};

struct Choice {
  std::optional<Version> newest;   // whole, or of a format that does not tell
  std::vector<Rejected> rejected;  // that would have been newer
  std::string being_written;       // where there is nothing but what somebody is writing: the newest of that
  std::string doubt;               // why `newest` may be torn all the same: there was nothing else; empty: nothing says so
};

// Newest first; copies, which are older than what they are of, last.
std::vector<Candidate> list_candidates(io::FileSystem& fs, const Search& search);
// Its program had gone on to another one of these, and so was done with it.
bool has_one_behind(const Candidate& candidate, const std::vector<Candidate>& all);
// Much smaller than one that was whole: where a format does not tell, it was cut short, most likely. Those of one program are as
// large as each other, but for what its own compression makes of them.
bool is_short(const Candidate& candidate, std::uint64_t bytes_before) noexcept;
bool are_alike(const Candidate& one, const Candidate& other);  // by their names, which differ by numbers only
// Of the first of these that is like this one; 0: there is none.
std::uint64_t bytes_of_one_like(const Candidate& candidate, const std::vector<Version>& versions);
// Why the version is not what was found whole under that name, of that size and time; empty: it is, or nobody looked.
std::string changed_since(const Version& version, const std::vector<Version>& remembered);

// Reads what it judges: as long as a restore. To be called while no program of the run is writing.
Choice choose(io::FileSystem& fs, const Search& search);

// RUN/checkpoints.json: where the run's program keeps its checkpoints, for later blocks and for `ckpt`.
struct Setting {
  std::string pattern;
  double since = -std::numeric_limits<double>::infinity();
  std::string directory;  // that a relative pattern starts from
};
std::optional<Setting> read_setting(io::FileSystem& fs, const std::string& run_directory);
// What is there by that setting, newest first, not judged; empty where there is none, or it cannot be read.
std::vector<Candidate> list_of_run(io::FileSystem& fs, const std::string& run_directory);
void write_setting(io::FileSystem& fs, const std::string& run_directory, const Setting& setting,
                   std::uint32_t permissions);

}  // namespace ckpt::checkpoints
