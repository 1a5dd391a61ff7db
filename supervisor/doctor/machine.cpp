// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "doctor/checks.hpp"

namespace ckpt::supervisor::doctor {

// The state is staged where it takes at most half of what is still allowed.
Finding check_memory(const Facts& facts) {
  const std::string subject = "memory for staging";
  const std::uint64_t allowed = facts.machine.memory_allowed_bytes;
  const std::string here = fmt::format("a process here may still use {}", format_size(allowed));
  if (!facts.run || facts.run->state_bytes == 0)
    return good(subject, here + "; a state of up to half of it is saved in the background");
  const std::string state = fmt::format("the state of {} has {}", facts.run->name, format_size(facts.run->state_bytes));
  const bool fits = facts.run->state_bytes <= allowed / 2;
  if (facts.place.place == slurm::Place::login_node)
    return unknown(subject, fmt::format("{}; what a job may use is seen in a job: srun ckpt doctor", state));
  if (fits) return good(subject, fmt::format("{}; {}", here, state));
  return warning(subject, fmt::format("{}; {}: the program waits while each snapshot is written", here, state),
                 "ask for more memory (--mem)");
}

Finding check_io_uring(const Facts& facts) {
  const int error = facts.machine.io_uring_error;
  if (error == 0) return good("io_uring", "it is allowed");
  return good("io_uring", fmt::format("it is not allowed here ({}), and not needed: threads write", errno_text(error)));
}

}  // namespace ckpt::supervisor::doctor
