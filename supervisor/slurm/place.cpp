// SPDX-License-Identifier: Apache-2.0
#include "slurm/place.hpp"

#include "base/environment.hpp"
#include "block/child.hpp"
#include "slurm/command.hpp"

namespace ckpt::supervisor::slurm {
namespace {

constexpr double patience_seconds = 2;

}  // namespace

Whereabouts where_are_we(Clock& clock) {
  if (!read_job_environment().id.empty()) return {Place::in_job, {}};
  if (find_program("scontrol").error_exit_code != 0) return {Place::elsewhere, "scontrol is not in PATH"};
  const Command ping = question({"scontrol", "ping"});
  const Answer answer = run(clock, ping, once(patience_seconds));
  // The exit code alone says too little: with a backup controller one of the two may be down.
  if (answer.output.find(" is UP") != std::string::npos) return {Place::login_node, {}};
  const bool told = answer.output.find(" is DOWN") != std::string::npos;   // with an exit code that says the same
  return {Place::elsewhere, answer.ok() || told ? "no controller of Slurm is up" : describe(ping, answer)};
}

}  // namespace ckpt::supervisor::slurm
