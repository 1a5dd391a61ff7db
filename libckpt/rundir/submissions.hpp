// SPDX-License-Identifier: Apache-2.0
// submissions/: which job arrays were sent to a scheduler for this run, so that a block can see what was planned and send
// more of the same. Written once each, by whoever sent the array; the scheduler's own word about a job outranks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::rundir {

// submissions/<array id>.json
struct Submission {
  std::string array_id;                   // the scheduler's number of the array
  std::string cluster;
  std::uint64_t blocks = 0;               // tasks of this array
  std::uint64_t planned_blocks = 0;       // of the whole plan; extensions included a chain never gets more than twice this
  std::string extends;                    // the array that this one continues; empty: a person sent it
  std::string script;                     // the copy inside the run
  std::vector<std::string> options;       // of the submit command, without the array's own
  std::vector<std::string> arguments;     // of the script
  std::string working_directory;          // where the submit command ran
  std::vector<std::string> sweep_arrays;  // a sweep: its arrays in order, task i of each is trial i; else empty
  double submitted = 0;                   // wall seconds
};

// `directory` is the run's directory; of a sweep the folder of its trials.
void write_submission(io::FileSystem& fs, const std::string& directory, const Submission& submission,
                      Permissions permissions);
// In the order they were sent. One that cannot be read is named in the log and left out.
std::vector<Submission> read_submissions(io::FileSystem& fs, const std::string& directory);

// submissions/<array id>.extended.json: only who gets true may send the array that continues this one. First wins, for
// ever: two that send would double the chain. `by`: "block 7, job 4711", for people.
bool claim_extension(io::FileSystem& fs, const std::string& directory, const std::string& array_id, const std::string& by,
                     Permissions permissions);

}  // namespace ckpt::rundir
