// SPDX-License-Identifier: Apache-2.0
#include "staging/background.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace ckpt::staging {
namespace {

// Behind the program, but not starved by it: on busy cores a difference of 19 leaves 1.5 % of one, 5 leaves a quarter. The
// work is the same; only the snapshot would be durable half a minute later, and the block have to stop that much earlier.
constexpr int nicer_by = 5;

// A new thread inherits the mask, so it is set around the start: no moment remains in which a handler could run there.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

std::thread start_background_thread(std::function<void()> work) {
  const SignalsBlocked blocked;
  return std::thread([work = std::move(work)] {
    // On Linux a thread id names that thread only.
    const auto self = static_cast<id_t>(::syscall(SYS_gettid));
    ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + nicer_by);   // capped by the kernel
    work();
  });
}

}  // namespace ckpt::staging
