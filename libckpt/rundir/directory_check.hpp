// SPDX-License-Identifier: Apache-2.0
// Whether a directory may become a run, for those who only want to know.
#pragma once

#include <string>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::rundir {

// Throws what prepare_run_directory would throw, and makes nothing; so whether we may write is not tried. Returns the
// directory in which the first thing would be made: the run's own, or the deepest of its parents that is there.
std::string check_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules);

}  // namespace ckpt::rundir
