// SPDX-License-Identifier: Apache-2.0
// A run that its user's group may read, wherever it lies. The setgid bit of its directory is what remembers that.
#pragma once

#include "rundir/layout.hpp"

namespace ckpt::rundir {

// As prepare_run_directory, but a directory that is made here is made for the group, parents included. One that was
// private stays private: a warning tells how to share it, since who reads along is not for a job script to change.
Permissions prepare_shared_run_directory(io::FileSystem& fs, const Layout& layout, const DirectoryRules& rules);

}  // namespace ckpt::rundir
