// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace ckpt::supervisor {

// A chain of weeks must not end because the storage answered once with an error: works again, for about half a minute.
template <class Work>
auto patiently(Clock& clock, Work&& work) {
  constexpr double first_pause_seconds = 0.1, longest_pause_seconds = 30;
  for (double pause = first_pause_seconds; pause < longest_pause_seconds; pause *= 3) {
    try {
      return work();
    } catch (const Error& error) {
      // A full disk, a refusal, a directory that is gone: that does not pass by itself.
      if (error.status() != CKPT_ERR_IO || error.os_errno() == ENOENT) throw;
      log_warning("{}; trying again", error.what());
      clock.sleep_seconds(pause);
    }
  }
  return work();
}

}  // namespace ckpt::supervisor
