// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace ckpt {

// Threads worth starting: the CPUs this process may run on (a job's cpuset, not the machine's), at most `limit`: beyond four
// the disk is what limits, and the program wants its cores.
unsigned usable_threads(unsigned limit = 4);

// Calls work(index) for every index below count on `threads` threads (the caller's is one of them), each index once.
// After the first exception no further index is started; it is rethrown here when all threads have left.
void parallel_for(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace ckpt
