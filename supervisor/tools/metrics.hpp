// SPDX-License-Identifier: Apache-2.0
// What a program reported last: metrics.jsonl in the run directory, one JSON object per line with its place ("time", "step",
// "epoch", "block", and "from", the step from which that block went on) and the metrics by name. It may be large, and
// somebody may be writing it: only its end is read, an unterminated line is dropped.
#pragma once

#include "io/file_system.hpp"
#include "rundir/layout.hpp"
#include "tools/json_text.hpp"

namespace ckpt::tools {

struct Metrics {
  std::optional<std::uint64_t> step;   // of the newest line
  Json values = Json::object();        // the newest value of each name that the end of the file has
};

// Empty when there is none, or when it cannot be read: it is for people.
Metrics last_metrics(io::FileSystem& fs, const rundir::Layout& layout);
// "0.0314", "true": short, for a table.
std::string metric_text(const Json& value);

}  // namespace ckpt::tools
