// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/clock.hpp"
#include "io/file_system.hpp"
#include "plan/provisional.hpp"
#include "rundir/layout.hpp"

namespace ckpt::plan {

// Copies the code that stands in `working_directory` into FOLDER/code/0001: what git tracks, as it is now, and small
// files that are new. What is left out (large new files, what git ignores) is linked, so that paths to data still hold,
// and named in the log. Answers the directory in the copy that corresponds to `working_directory`.
// CKPT_ERR_CONFIG: not in a git repository.
std::string freeze_code(io::FileSystem& fs, Clock& clock, const std::string& folder,
                        const std::string& working_directory, rundir::Permissions permissions, Provisional& made);

}  // namespace ckpt::plan
