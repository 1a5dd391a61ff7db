// SPDX-License-Identifier: Apache-2.0
#include "chain/scheduler.hpp"

namespace ckpt::supervisor {

const char* describe(JobEnd end) noexcept {
  switch (end) {
    case JobEnd::node_failed: return "its node failed";
    case JobEnd::preempted: return "its job was preempted";
    case JobEnd::requeued: return "its job was requeued";
    case JobEnd::cancelled: return "its job was cancelled";
    case JobEnd::timeout: return "its job was killed at its time limit without a word";
    case JobEnd::out_of_memory: return "its job was killed for memory";
    case JobEnd::failed: return "its job failed without a word";
    case JobEnd::completed: return "its job ended without a word";
    case JobEnd::unknown: break;
  }
  return "its owner was found gone";
}

bool is_blameless(JobEnd end) noexcept {
  return end != JobEnd::timeout && end != JobEnd::out_of_memory && end != JobEnd::failed;
}

}  // namespace ckpt::supervisor
