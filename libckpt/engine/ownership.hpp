// SPDX-License-Identifier: Apache-2.0
// How a program comes to own its run: as the program of the block that ckptrun claimed, or by claiming one itself.
#pragma once

#include <memory>
#include <optional>

#include "engine/options.hpp"
#include "rundir/blocks.hpp"
#include "staging/station.hpp"

namespace ckpt::engine {

struct Ownership {
  std::uint64_t block = 0;
  bool served = true;                                // false: ckptrun serves another program; run inert
  std::optional<staging::Connection> station;        // empty: on our own
  staging::Welcome welcome;
};

// Does the environment's ckptrun mean this directory?
bool under_ckptrun(const std::string& directory);
// The ckptrun around us, for its last line: why this program refuses to work. What the launcher makes of its exit code
// tells nobody. Waits for a second at most; never throws.
void tell_refusal(const std::string& directory, const std::string& why) noexcept;
// CKPT_ERR_STATION, CKPT_ERR_SUPERSEDED, CKPT_ERR_CONFIG.
Ownership attach_to_ckptrun(const std::string& directory, rundir::Blocks& blocks);
// CKPT_ERR_IN_USE at once when another owner is alive or cannot be proven gone.
Ownership claim_alone(const Options& options, rundir::Blocks& blocks);

}  // namespace ckpt::engine
