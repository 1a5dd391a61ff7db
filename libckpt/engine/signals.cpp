// SPDX-License-Identifier: Apache-2.0
#include "engine/signals.hpp"

#include <csignal>

#include <atomic>
#include <mutex>

namespace ckpt::engine {
namespace {

constexpr int handled[] = {SIGTERM, SIGUSR1, SIGUSR2};

std::atomic<int> last_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may only touch lock-free atomics");

std::mutex install_mutex;
int users = 0;

extern "C" void ckpt_note_signal(int number) { last_signal.store(number, std::memory_order_relaxed); }

bool is_ours(const struct sigaction& action) { return action.sa_handler == ckpt_note_signal; }

void install() {
  for (int number : handled) {
    struct sigaction current {};
    if (sigaction(number, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO)) continue;
    if (current.sa_handler != SIG_DFL) continue;
    struct sigaction ours {};
    ours.sa_handler = ckpt_note_signal;
    ours.sa_flags = SA_RESTART;   // a read() of the program must not start to fail because it is asked to stop
    sigemptyset(&ours.sa_mask);
    sigaction(number, &ours, nullptr);
  }
}

void uninstall() {
  for (int number : handled) {
    struct sigaction current {};
    if (sigaction(number, nullptr, &current) == 0 && is_ours(current)) std::signal(number, SIG_DFL);
  }
}

}  // namespace

SignalRequests::SignalRequests(bool handle) : handle_(handle) {
  if (!handle_) return;
  const std::lock_guard lock(install_mutex);
  if (users++ == 0) {
    last_signal = 0;
    install();
  }
}

SignalRequests::~SignalRequests() {
  if (!handle_) return;
  const std::lock_guard lock(install_mutex);
  if (--users == 0) uninstall();
}

void SignalRequests::leave_to_child() noexcept { uninstall(); }

int SignalRequests::pending() noexcept { return last_signal.load(std::memory_order_relaxed); }

}  // namespace ckpt::engine
