// SPDX-License-Identifier: Apache-2.0
// From a plan and a job to arrays in the queue, recorded in the run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "io/file_system.hpp"
#include "plan/job.hpp"
#include "plan/provisional.hpp"
#include "plan/request.hpp"
#include "rundir/submissions.hpp"
#include "tools/json_text.hpp"

namespace ckpt::plan {

struct ChainShape {
  std::uint64_t blocks = 1;  // of a sweep: of each trial, so many arrays
  double limit_seconds = 0;  // 0: as the user's script says
  unsigned warning_seconds = 0;
};

struct Sent {
  std::vector<std::string> arrays;  // of a chain: one
  std::string script;               // the copy in the run
};

class Submission {
 public:
  Submission(io::FileSystem& fs, Clock& clock, const Request& request, const Job& job, const ChainShape& shape);

  // What would be sent: the script that is written, or the line that sends the user's own.
  std::string preview() const;
  // Of the user's own script, what a chain has to have otherwise.
  void tell_what_gives_way() const;
  // Throws Error with the reason when nothing was sent; what was made on disk for it is then gone again.
  Sent send();
  void print(const Sent& sent) const;
  tools::Json json(const Sent& sent) const;

 private:
  std::string folder() const { return job_.run.directory; }  // the run's, or that of the trials
  supervisor::slurm::JobOptions options() const;             // on the submit command, without array and dependency
  std::string array() const;
  std::string script_text() const;
  void refuse_another_command() const;
  void refuse_another_copy() const;
  void refuse_what_is_done_or_waits() const;
  void prepare_folder();
  std::string copy_script() const;
  Sent send_arrays(const std::string& script, Provisional& made);
  void record(const Sent& sent) const;

  io::FileSystem& fs_;
  Clock& clock_;
  const Request& request_;
  const Job& job_;
  ChainShape shape_;
  rundir::Permissions permissions_;
  std::string working_directory_;
  std::string cluster_;
  std::string frozen_;  // where the copied code is; empty: run where it is
};

}  // namespace ckpt::plan
