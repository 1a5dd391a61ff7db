// SPDX-License-Identifier: Apache-2.0
// The checkpoints that a run's program keeps by itself, as its blocks have noted them. Their content is not read.
#pragma once

#include <vector>

#include "checkpoints/version.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::tools {

struct CheckpointView {
  std::vector<checkpoints::Candidate> listed;  // newest first
  std::vector<checkpoints::Version> seen;      // found whole by the newest blocks, or gone on from; by the paths of those listed

  bool is_known_whole(const checkpoints::Candidate& candidate) const;
  // Of those that are known to be whole; of all where none is: the newest may be torn, or just being written. There is one.
  const checkpoints::Candidate& newest() const;
  bool is_newer_than_known(const checkpoints::Candidate& candidate) const;  // one of those listed
};

CheckpointView view_checkpoints(io::FileSystem& fs, const rundir::Layout& layout);

}  // namespace ckpt::tools
