// SPDX-License-Identifier: Apache-2.0
#include "tools/checkpoint_view.hpp"

#include <algorithm>

#include "chain/own_checkpoints.hpp"
#include "checkpoints/choose.hpp"

namespace ckpt::tools {

bool CheckpointView::is_known_whole(const checkpoints::Candidate& candidate) const {
  return std::ranges::any_of(seen, [&](const checkpoints::Version& one) {
    return one.candidate.same_version(candidate) || one.copy == candidate.path;
  });
}

const checkpoints::Candidate& CheckpointView::newest() const {
  const auto known = std::ranges::find_if(listed, [this](const checkpoints::Candidate& one) { return is_known_whole(one); });
  return known == listed.end() ? listed.front() : *known;
}

bool CheckpointView::is_newer_than_known(const checkpoints::Candidate& candidate) const { return &candidate < &newest(); }

// A program's pattern may start from the directory that its run was started in.
CheckpointView view_checkpoints(io::FileSystem& fs, const rundir::Layout& layout) {
  CheckpointView view{checkpoints::list_of_run(fs, layout.directory()), supervisor::read_seen_checkpoints(fs, layout).versions};
  if (view.listed.empty()) return view;
  const std::string directory = checkpoints::read_setting(fs, layout.directory())->directory;
  for (checkpoints::Version& version : view.seen)
    if (!version.path().starts_with('/')) version.candidate.path = directory + '/' + version.path();
  return view;
}

}  // namespace ckpt::tools
