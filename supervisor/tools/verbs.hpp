// SPDX-License-Identifier: Apache-2.0
// What `ckpt` can do. Each verb prints its answer and returns the exit code; errors are thrown.
#pragma once

#include <string>
#include <vector>

#include "tools/json_text.hpp"

namespace ckpt::tools {

constexpr int exit_no = 1;          // the answer is no: damaged, not complete, not saved in time
constexpr int exit_stopped = 2;     // of `done`
constexpr int exit_error = 125;     // usage, or an error of ours

// `run` and `what` as choose_run takes them.
int list(const std::string& where, Format format);                 // runs, or the snapshots of one
int show(const std::string& what, Format format);                  // a run, or one snapshot file
int show_snapshot(const std::string& path, Format format);
int verify(const std::vector<std::string>& what, Format format);   // runs or snapshot files
int status(const std::string& run, Format format);
int done(const std::string& run, Format format);

struct RequestOptions {
  std::string run;
  double timeout_seconds = 0;       // save: how long to wait for the snapshot, 0: not at all
  bool allow_other_owner = false;
};
int request_stop(const RequestOptions& options, Format format);
int request_save(const RequestOptions& options, Format format);
int unlock(const RequestOptions& options, Format format);   // run: never left out

}  // namespace ckpt::tools
