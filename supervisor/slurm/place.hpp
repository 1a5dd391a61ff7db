// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/clock.hpp"

namespace ckpt::supervisor::slurm {

enum class Place {
  in_job,        // of Slurm
  login_node,    // a working Slurm, and no job around us
  elsewhere,     // no working Slurm: packages that are merely installed are none
};
struct Whereabouts {
  Place place = Place::elsewhere;
  std::string why;               // elsewhere: "scontrol is not in PATH", "scontrol gave no answer within 2.0 s"
};
// Costs nothing in a job or where scontrol is not in PATH; else up to 2 s.
Whereabouts where_are_we(Clock& clock);

}  // namespace ckpt::supervisor::slurm
