// SPDX-License-Identifier: Apache-2.0
// What a job asks for: what the user says on the command line, then the environment, then what the preset of the site
// adds. What Slurm itself tells outranks the preset.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "plan/preset.hpp"
#include "plan/request.hpp"
#include "slurm/site.hpp"

namespace ckpt::plan {

struct LiveSite {
  std::optional<supervisor::slurm::Site> site;  // absent: no Slurm here
  std::string why_not;
};
LiveSite ask_live_site(Clock& clock);

// The one that --site names, else the one of this cluster; absent: none is known. CKPT_ERR_CONFIG.
std::optional<Preset> preset_for(const Request& request, const LiveSite& live);

// With all that environment and preset add. A script of the user's speaks for itself: of the preset only the way to ask
// for GPUs, limits and places count for it.
Request with_environment(Request request);
Request with_preset(Request request, const Preset& preset, const LiveSite& live);

}  // namespace ckpt::plan
