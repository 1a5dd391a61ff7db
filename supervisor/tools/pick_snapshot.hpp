// SPDX-License-Identifier: Apache-2.0
// Which snapshot is meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/run_view.hpp"

namespace ckpt::tools {

struct PickedSnapshot {
  std::string path;
  std::uint64_t step = 0;
};

// `which`: a step, of which the newest counts if several blocks wrote one, those kept by name last; the name of one that is
// kept; empty: the newest of all. CKPT_ERR_NOT_FOUND, with what there is.
PickedSnapshot pick_snapshot(io::FileSystem& fs, const RunView& view, const std::string& which);
// The file of: a path of one; RUN, its newest; RUN@STEP; RUN@NAME, one kept by name. CKPT_ERR_NOT_FOUND, with what
// there is.
std::string find_snapshot(io::FileSystem& fs, const std::string& text);
// Whether the text means one snapshot: a path of one, RUN@STEP or RUN@NAME.
bool names_a_snapshot(io::FileSystem& fs, const std::string& text);
// Of the file of one; nullopt when it is damaged, or gone.
std::optional<std::uint64_t> step_of_file(io::FileSystem& fs, const std::string& path);
// Reads every byte of it. CKPT_ERR_DAMAGED and its kin.
void require_whole(io::FileSystem& fs, const std::string& path);

// "4100": CKPT_ERR_ARGUMENT for anything else.
std::uint64_t parse_step(const std::string& text);

}  // namespace ckpt::tools
