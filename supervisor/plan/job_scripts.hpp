// SPDX-License-Identifier: Apache-2.0
// jobs/: every script that was sent for a run, so that edits do not reach blocks that come later, and more of the same
// can be sent.
#pragma once

#include <string>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::plan {

// FOLDER/jobs/0001-train.sh; answers its path.
std::string keep_script(io::FileSystem& fs, const std::string& folder, const std::string& name, const std::string& text,
                        rundir::Permissions permissions);

// A directory that may be there already. CKPT_ERR_…: it cannot be made.
void make_folder(io::FileSystem& fs, const std::string& path, rundir::Permissions permissions);

}  // namespace ckpt::plan
