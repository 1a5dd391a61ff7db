// SPDX-License-Identifier: Apache-2.0
// What `ckpt` can do. Each verb prints its answer and returns the exit code; errors are thrown.
#pragma once

#include <cstdint>
#include <optional>
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
// Which arrays of two snapshots differ, and by how much; each named as find_snapshot takes it. 0: they are the same.
int diff(const std::string& first, const std::string& second, Format format);
struct ExportOptions {
  std::string format, path;          // "safetensors", "npz" or "pt", and the file
  std::vector<std::string> only;     // objects; empty: all
  bool force = false;                // a file that is there is replaced
};
// Becomes a Python that writes the file. `what` as find_snapshot takes it.
[[noreturn]] void export_snapshot(const std::string& what, const ExportOptions& options, Format format);
int status(const std::string& run, Format format);
// Until the run is complete (0), stopped (2), or nobody goes on with it (1); 130 after ^C.
int watch(const std::string& run, double interval_seconds, Format format);
int done(const std::string& run, Format format);

struct RequestOptions {
  std::string run;
  double timeout_seconds = 0;       // save: how long to wait for the snapshot, 0: not at all
  bool allow_other_owner = false;
};
int request_stop(const RequestOptions& options, Format format);
int request_save(const RequestOptions& options, Format format);
int unlock(const RequestOptions& options, Format format);   // run: never left out
int keep(const std::string& what, const std::string& name, const RequestOptions& options, Format format);
// `which` as pick_snapshot takes it.
int rollback(const std::string& which, const RequestOptions& options, Format format);
int remove_run(bool yes, const RequestOptions& options, Format format);   // run: never left out

struct ForkOptions {
  std::string run;
  bool allow_volatile = false;
};
int fork(const std::string& name, const std::string& which, const ForkOptions& options, Format format);

}  // namespace ckpt::tools
