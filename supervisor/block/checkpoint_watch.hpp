// SPDX-License-Identifier: Apache-2.0
// The checkpoints that a program writes by itself, as they come to be while it runs.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "checkpoints/choose.hpp"
#include "checkpoints/judgement.hpp"
#include "engine/policy.hpp"

namespace ckpt::supervisor {

struct OwnCheckpoints {
  checkpoints::Search search;
  std::optional<checkpoints::Version> resume;  // what this block goes on from
  bool resume_in_doubt = false;                // there was nothing else, and it may be torn
  std::vector<checkpoints::Candidate> broken;  // found so before it began
  std::optional<checkpoints::KeepRule> keep;   // of a file that is overwritten in place
  engine::Observations intervals;              // between two of them, seconds, as earlier blocks teach
  std::vector<checkpoints::Candidate> there;   // that the pattern named when it began
  double seconds_without_second = 0;           // that a block went on after its first one, and had no other; the longest
  engine::Observations stops;                  // how long the program took to end after its signal
  double stop_cut_off_seconds = 0;             // the same, of one that was killed since before it had; 0: none
};

// How the program ended, for files whose format does not tell whether they are whole.
enum class Ending {
  by_itself,  // done with what it wrote
  asked,      // to stop: it may have saved, or left in the middle of that
  cut_off,    // in the middle of whatever it did
};

class CheckpointWatch {
 public:
  CheckpointWatch(io::FileSystem& fs, Clock& clock, const OwnCheckpoints& own);

  void tick();  // about once a second
  void add_to(std::vector<pollfd>& polled) const;
  bool look();    // a new whole one has been found
  // The same once nobody writes any more; waits. `was_killed`: by a signal, in the middle of whatever it did.
  bool settle(Ending ending);

  const std::optional<checkpoints::Version>& newest() const noexcept { return newest_; }  // of this block
  bool began_again() const noexcept { return began_again_; }  // what it wrote has lower numbers than what it went on from
  const std::vector<checkpoints::Candidate>& left_open() const noexcept { return left_open_; }
  bool has_matched() const noexcept { return has_matched_; }  // anything was there that the pattern names, whole or not
  double seconds_since_last() const noexcept {
    return seconds_since_last_;
  }  // of the newest: the one before, or the start
  // Until the next one, by experience; nullopt: none.
  std::optional<double> interval() const;
  // The same, where no two of them have been seen: it may come at once, but for what earlier blocks have waited in vain.
  double shortest_interval() const;

 private:
  struct Doubtful {  // its format does not tell whether it is whole, or only that of what its program still has open
    checkpoints::Candidate candidate;  // as of the last look
    bool is_open;                      // for writing, then
    double since;                      // it is like that
  };

  std::vector<checkpoints::Candidate> list_new();
  std::optional<checkpoints::Candidate> find_new();
  bool is_known(const checkpoints::Candidate& candidate) const;
  double rest_that_tells(const checkpoints::Candidate& candidate) const;
  bool is_shorter(const checkpoints::Candidate& candidate) const;
  bool does_not_change(const checkpoints::Candidate& candidate) const;
  bool settle_for_copy();
  void note_lower_numbers(const std::vector<checkpoints::Candidate>& there);
  bool was_only_touched(const checkpoints::Version& version) const;
  bool is_written_by_block(const checkpoints::Candidate& candidate) const;
  void judge(const checkpoints::Candidate& candidate);
  void note_doubtful(const checkpoints::Candidate& candidate, double since, bool is_open);
  bool take(const checkpoints::Judged& judged);
  void note_copy(const checkpoints::Judged& judged);

  io::FileSystem& fs_;
  Clock& clock_;
  const OwnCheckpoints& own_;
  std::unique_ptr<checkpoints::Judgement> judgement_;  // under way
  std::vector<Doubtful> doubtful_;                     // one for each path
  std::vector<checkpoints::Candidate> broken_;
  std::optional<checkpoints::Version> newest_;
  std::vector<checkpoints::Version> whole_;            // newest first: of this block, what it goes on from, of earlier blocks
  bool judged_open_ = false;                           // for writing, when the judgement began
  bool has_matched_ = false, began_again_ = false;
  std::set<std::string> lower_;                        // paths with lower numbers than it went on from, written before any higher one
  double first_higher_ = engine::no_limit;             // when that was written, which may be written anew as well
  std::set<std::string> open_;                         // for writing, when last looked at
  std::vector<checkpoints::Candidate> left_open_;      // by a program that was cut off
  bool copy_failed_ = false;  // of the last one
  double last_found_, seconds_since_last_ = 0, judged_from_ = 0, rest_until_ = 0;
  std::optional<double> until_first_;   // from the start of the block
  engine::Observations intervals_;      // between the others
};

}  // namespace ckpt::supervisor
