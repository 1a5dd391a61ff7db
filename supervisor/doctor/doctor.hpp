// SPDX-License-Identifier: Apache-2.0
// ckpt doctor: what will happen on this site, before it happens.
#pragma once

#include <string>

#include "tools/json_text.hpp"

namespace ckpt::supervisor::doctor {

struct DoctorOptions {
  std::string run;         // as choose_run takes it; empty: no particular run
  std::string partition;   // empty: the run's, else the default one
};
// Prints its findings. 0: no warning; 1: at least one.
int run_doctor(const DoctorOptions& options, tools::Format format);

}  // namespace ckpt::supervisor::doctor
