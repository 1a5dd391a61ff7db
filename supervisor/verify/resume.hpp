// SPDX-License-Identifier: Apache-2.0
// ckptrun --verify-resume: does the program come to the same state with a stop in the middle as without one?
#pragma once

#include <cstdint>

#include "chain/chain.hpp"
#include "tools/json_text.hpp"

namespace ckpt::verify {

struct Request {
  supervisor::ChainOptions chain;        // the command, and the run beside which the trials are made
  std::uint64_t steps = 10;              // of the straight run; an odd number becomes the next even one
  bool keep = false;                     // the trials are not removed
  tools::Format format = tools::Format::text;
};

// Prints the verdict. 0: the same state; 1: another one, or no verdict is possible. Throws Error when the program fails
// without any stop, does not use libckpt, or has too little work.
int verify_resume(io::FileSystem& fs, Clock& clock, supervisor::SignalInbox& signals, const Request& request);

}  // namespace ckpt::verify
