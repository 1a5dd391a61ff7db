// SPDX-License-Identifier: Apache-2.0
// Why a program crashed, as far as its surroundings tell: what it wrote last, and whether the kernel killed for memory.
// It explains, and says whether the same node is worth a second try; how the block ended is judged without it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ckpt::supervisor {

enum class CrashKind {
  program,   // or unknown
  memory,    // killed for memory, or an allocation failed
  device,    // the GPU, its driver or its link: another node may do
};
const char* name(CrashKind kind) noexcept;
CrashKind parse_crash_kind(std::string_view name) noexcept;

struct CrashCause {
  CrashKind kind = CrashKind::program;
  std::string words{};   // the line that says it, printable; empty: nothing is known
};

// What the last lines of an output say: the last one that names memory or a device, else the exception that a Python
// traceback ends with.
CrashCause read_last_words(std::string_view output);

// Made before the program starts, asked after its end. Reads standard error's file where that is a file, as in a job;
// elsewhere the log of the block, if there is one.
class Witness {
 public:
  Witness();
  CrashCause cause(const std::string& log) const;

 private:
  off_t output_size_ = 0;
  std::uint64_t killed_for_memory_ = 0;
};

// "exit code 1" becomes "exit code 1: RuntimeError: CUDA error: … (on node r01c07: another node may do)".
std::string explain(const std::string& reason, const CrashCause& cause, const std::string& node);

}  // namespace ckpt::supervisor
