// SPDX-License-Identifier: Apache-2.0
// Which run is meant.
#pragma once

#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::tools {

bool is_run(io::FileSystem& fs, const std::string& directory);
// A file, unless a run has that name: compiled programs lie beside the run that is called after them.
bool names_a_file(io::FileSystem& fs, const std::string& text);

// Names of the runs below a directory, 2 before 10; "job/3" for one a level deeper (a sweep). Throws when it cannot be
// read; folders in it that may not be read are named in the log, and counted in `hidden`.
std::vector<std::string> find_runs(io::FileSystem& fs, const std::string& directory, std::size_t* hidden = nullptr);
// Where the runs of this folder are: "ckpt-runs" below it.
std::string folder_of_runs();

// `given`: a name below ./ckpt-runs or a path, as for ckptrun --run. Empty: the run that this folder is, else the only
// one in ./ckpt-runs, else the one active last, which is then said on standard error. CKPT_ERR_NOT_FOUND otherwise.
rundir::Layout choose_run(io::FileSystem& fs, const std::string& given);

}  // namespace ckpt::tools
