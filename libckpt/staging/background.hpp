// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

namespace ckpt::staging {

// A thread that steps aside: nicer by 5, it alone (and the threads it starts), all signals blocked so that the
// program's handlers never run on it. Throws std::system_error when there is no thread to be had.
std::thread start_background_thread(std::function<void()> work);

}  // namespace ckpt::staging
