// SPDX-License-Identifier: Apache-2.0
// Where a program keeps its checkpoints, as a person writes it: 'ckpts/*.pt', 'model-{epoch}.h5', 'run/last.pt'. And what is
// there, newest first.
#pragma once

#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::checkpoints {

// One version of a checkpoint. What is written anew under the same name is another version.
struct Candidate {
  std::string path;
  std::vector<std::uint64_t> order;          // the numbers in its name that the pattern names, in its order
  std::optional<std::uint64_t> epoch, step;  // of those
  double modified = 0;                       // wall seconds
  std::uint64_t bytes = 0;
  std::string name = {};                     // what the pattern leaves open of it: "run-3/last.pt"; empty: nothing

  bool same_version(const Candidate& other) const noexcept {
    return path == other.path && modified == other.modified && bytes == other.bytes;
  }
};

// By the numbers in the names where the pattern names them, else by time; within one tick of the clock by any numbers there.
bool comes_after(const Candidate& one, const Candidate& other) noexcept;
// "model-12.pt (epoch 12)"
std::string describe(const Candidate& candidate);

// {SLURM_ARRAY_TASK_ID} and the like, in capitals, are replaced by the environment's values, as in --run: of a sweep each trial has
// checkpoints of its own. CKPT_ERR_CONFIG: one is not set, or the shell was to replace a $NAME and has not.
std::string with_variables(const std::string& pattern);

class Pattern {
 public:
  // '~/' is the home directory, '*', '?' and '[…]' as in a shell; {epoch} and {step}, also as Keras writes them ({epoch:02d}),
  // are numbers, any other {word} is anything. CKPT_ERR_CONFIG for what is no pattern.
  explicit Pattern(const std::string& text);

  const std::string& text() const noexcept { return text_; }
  bool names_one_file() const noexcept { return names_one_; }
  std::string the_file() const;  // that it names
  bool matches(const std::string& path) const;
  // What is no checkpoint by its name, or in a folder whose name a sign has matched and tells so, is left out, and so is
  // '*best*', where that part of the pattern does not ask for it. Newest first.
  std::vector<Candidate> list(io::FileSystem& fs) const;

 private:
  struct Part {  // of the path, between two '/'
    std::string text;
    std::optional<std::regex> expression;  // without: it is meant literally
    std::vector<std::string> numbers;      // "epoch", "step": what the groups of the expression are
  };

  static Part parse_part(const std::string& text);
  void collect(io::FileSystem& fs, const std::string& directory, std::size_t part, Candidate found,
               std::vector<Candidate>& all) const;
  bool match(const Part& part, const std::string& name, Candidate& found) const;
  void add(io::FileSystem& fs, Candidate found, std::vector<Candidate>& all) const;
  static bool is_left_out(const Part& part, const std::string& name, bool is_folder);

  std::string text_;
  std::vector<Part> parts_;
  bool absolute_ = false, names_one_ = true;
};

}  // namespace ckpt::checkpoints
