// SPDX-License-Identifier: Apache-2.0
// The checkpoints that a run's program keeps by itself, as the chain sees them: which one the next block goes on from,
// how that is told to the program, and what earlier blocks teach.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "block/block.hpp"
#include "chain/step.hpp"

namespace ckpt::supervisor {

struct CheckpointOptions {
  std::string pattern;                    // --latest; empty: the program keeps none that we know of
  std::vector<std::string> resume_words;  // --resume-args, for the end of the command; {resume} in them is the path
  std::optional<std::size_t> copies;      // to keep of a file that is overwritten in place
  StopWay stop_way = StopWay::at_deadline;
  int stop_signal = 15;
  bool is_by_trainer = false;             // of Hugging Face
};

// "--load 'a b' x" as a shell would split it, quotes and backslashes, nothing else. CKPT_ERR_CONFIG for a quote that
// does not end.
std::vector<std::string> split_words(const std::string& text);

// With {resume} replaced, and the words for resuming at the end where there is something to resume.
std::vector<std::string> command_of_block(std::vector<std::string> command,
                                          const std::vector<std::string>& resume_words,
                                          const std::optional<checkpoints::Version>& resume);

// What the newest blocks noted of the checkpoints that they saw.
struct SeenCheckpoints {
  std::vector<checkpoints::Version> versions;  // found whole, or gone on from, newest first
  std::vector<checkpoints::Version> in_doubt;  // gone on from for want of another, by a block that left nothing whole
  std::vector<checkpoints::Candidate> left_open;   // for writing, by programs that were cut off
  engine::Observations intervals, stops;       // seconds from one to the next, and from a request to stop to the end
  double seconds_without_second = 0;           // from the first one of a block to its end, where no other came; the longest
  double stop_cut_off_seconds = 0;             // that were not enough for the latter, in a newer block; 0: none
};
SeenCheckpoints read_seen_checkpoints(io::FileSystem& fs, const rundir::Layout& layout);

// Of a run that goes: where the one file that its program writes is torn, its copy takes its place. False: it could not.
bool put_back_what_is_torn(io::FileSystem& fs, const rundir::Layout& layout);

class OwnCheckpointsOfRun {
 public:
  // Refuses (CKPT_ERR_CONFIG) a pattern that the shell has expanded, as far as the run's earlier one tells. Writes nothing.
  OwnCheckpointsOfRun(io::FileSystem& fs, const rundir::Layout& layout, const CheckpointOptions& options,
                      bool starts_over);

  bool is_used() const noexcept { return search_.has_value(); }
  // Reads the newest checkpoints: while no program of the run writes.
  void choose(ChainFacts& facts);
  const std::vector<checkpoints::Rejected>& rejected() const noexcept { return rejected_; }
  void warn_of_doubt() const;                           // where there was nothing to choose but what may be torn
  bool adopts() const noexcept { return !known_run_; }  // what is there was not written by this run
  void remember(rundir::Permissions permissions);       // RUN/checkpoints.json; by the newest block
  // What a program goes on from that is told no {resume}, and so reads the one file that it writes: of a copy that is chosen
  // for a torn one this file is made again. Else what is chosen.
  std::optional<checkpoints::Version> put_in_place(const std::optional<checkpoints::Version>& chosen,
                                                   const std::vector<std::string>& command, std::uint64_t block) const;

  OwnCheckpoints for_block(std::uint64_t block, rundir::Permissions permissions,
                           const std::optional<checkpoints::Version>& resume) const;

 private:
  bool is_being_written(const checkpoints::Candidate& candidate) const;
  void keep_what_it_goes_on_from(const OwnCheckpoints& own) const;

  io::FileSystem& fs_;
  rundir::Layout layout_;
  const CheckpointOptions& options_;
  std::optional<checkpoints::Search> search_;
  bool known_run_ = false, must_remember_ = false;
  std::vector<checkpoints::Rejected> rejected_;
  std::string doubt_;
  std::vector<checkpoints::Candidate> broken_;
  SeenCheckpoints seen_;
};

}  // namespace ckpt::supervisor
