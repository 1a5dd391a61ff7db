// SPDX-License-Identifier: Apache-2.0
// What the variables of a Python script held at each safe point, as libckpt's Python package writes it down for a trial.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::verify {

struct Variable {
  std::string digest;                    // of its content; empty: there is none to compare, what Run was given stands there, say
  std::string shown;                     // the same for people; may be empty
  std::string kind;                      // "number", "array", "generator", …
  std::string file, function;            // where it lives
  std::uint64_t line = 0;                // where it gets a value; 0: not seen
  bool rebound = false;                  // another object than at the moment before
  bool enumerated = false;               // by a `for` over enumerate() or zip()
  bool of_module = false;                // an attribute of a torch module, whose own state_dict() libckpt does not ask
};
using Variables = std::map<std::string, Variable>;

struct Moment {
  std::uint64_t block = 0, step = 0;
  std::string name;                      // "entry" of a loop that resumes, "point", "end" of the loop
  bool in_epoch;                         // a loader has batches left
  Variables variables;
};

// In the order of time; empty for a program that is not Python.
struct Record {
  std::vector<Moment> moments;

  const Variables* at(const std::string& moment, std::uint64_t block, std::uint64_t step) const;   // null: not there
  const Moment* moment_at(const std::string& name, std::uint64_t block, std::uint64_t step) const;
  // Whether the loop makes another object of it, as far as the first block shows.
  bool rebinds(const std::string& name) const;
  bool changes(const std::string& name) const;      // from one moment of the first block to another
  const Variables* last() const { return moments.empty() ? nullptr : &moments.back().variables; }
};
Record read_record(io::FileSystem& fs, const std::string& path);

// A variable that differs between two moments that should be the same.
struct Difference {
  std::string name;
  Variable before, after;
};
// In the order of names, the batches of loaders first; of what both have.
std::vector<Difference> differences(const Variables& before, const Variables& after);

// Changed by the loop and not saved: a resumed start finds them as a new one does.
struct Lost : Difference {
  bool counts = false;                   // a number that each step gives anew: of enumerate(), or of what was lost
  bool at_end = false;                   // still another one at the end
  bool rebound = false;                  // the loop makes another object of it: what Run was given is not that
};
// `straight` and `resumed` are the same program; the latter's first block ended at `stopped_at`. What differs already before
// that is nobody's fault here (times, say), and is left out.
std::vector<Lost> lost_variables(const Record& straight, const Record& resumed, std::uint64_t stopped_at);

}  // namespace ckpt::verify
