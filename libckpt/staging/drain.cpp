// SPDX-License-Identifier: Apache-2.0
#include "staging/drain.hpp"

#include <chrono>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/log.hpp"
#include "staging/background.hpp"

namespace ckpt::staging {
namespace {

constexpr double for_ever_seconds = 1e9;   // longer waits would overflow the clock's type

// Texts name temporary files, which differ each time: where the system gave a reason, that tells failures apart.
std::string kind_of(const Error& error) {
  if (error.os_errno() == 0) return error.what();
  return fmt::format("{} {}", static_cast<int>(error.status()), error.os_errno());
}

// Of the exception being handled. Under memory pressure a text may not be copied; the short one needs none.
Error current_error() noexcept {
  try {
    try {
      throw;
    } catch (const Error& error) {
      return error;
    } catch (const std::bad_alloc&) {
    } catch (const std::exception& error) {
      return Error(CKPT_ERR_INTERNAL, 0, error.what());
    } catch (...) {
      return Error(CKPT_ERR_INTERNAL, 0, "unknown failure");
    }
  } catch (const std::bad_alloc&) {
  }
  return Error(CKPT_ERR_MEMORY, 0, "out of memory");
}

std::variant<Durable, Error> try_to_make_durable(const DrainTarget& target, const Staged& staged,
                                                 std::size_t published) noexcept {
  try {
    return make_durable(target, staged, published);
  } catch (...) {
    return current_error();
  }
}

}  // namespace

Drain::Drain(DrainTarget target) : target_(std::move(target)), resumed_from_(target_.resumed_from) {
  thread_ = start_background_thread([this] { loop(); });
}

Drain::~Drain() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Drain::busy() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

void Drain::set_resumed_from(rundir::SnapshotId id) {
  const std::lock_guard lock(mutex_);
  resumed_from_ = id;
}

void Drain::hand_over(Staged staged) {
  {
    const std::lock_guard lock(mutex_);
    if (in_flight_) fail(CKPT_ERR_BUSY, "the previous snapshot is still being written");
    staged_ = std::move(staged);
    in_flight_ = true;
  }
  changed_.notify_all();
}

bool Drain::wait_idle(double seconds) {
  std::unique_lock lock(mutex_);
  const auto idle = [this] { return !in_flight_; };
  if (!(seconds > 0)) return idle();
  if (seconds < for_ever_seconds) return changed_.wait_for(lock, std::chrono::duration<double>(seconds), idle);
  changed_.wait(lock, idle);
  return true;
}

std::optional<Durable> Drain::last_durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

std::optional<Error> Drain::last_error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void Drain::on_result(std::function<void(const Durable*, const Error*)> callback) {
  const std::lock_guard lock(mutex_);
  on_result_ = std::move(callback);
}

void Drain::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return staged_ || ending_; });
    if (!staged_) return;
    drain_staged(lock);
    in_flight_ = false;
    changed_.notify_all();
  }
}

// Enters and leaves with the lock held; nobody waits for the disk behind it.
void Drain::drain_staged(std::unique_lock<std::mutex>& lock) {
  const Staged staged = std::move(*staged_);
  staged_.reset();
  target_.resumed_from = resumed_from_;
  lock.unlock();
  const auto result = try_to_make_durable(target_, staged, published_);
  const auto* durable = std::get_if<Durable>(&result);
  const auto* error = std::get_if<Error>(&result);
  if (error) tell_failure(staged, *error);
  remember(durable, error);
  call_back(durable, error);
  lock.lock();
}

void Drain::remember(const Durable* durable, const Error* error) noexcept {
  const std::lock_guard lock(mutex_);
  if (durable) {
    durable_ = *durable;
    error_.reset();
    told_.clear();
    ++published_;
    return;
  }
  try {
    error_ = *error;
  } catch (const std::bad_alloc&) {
    error_.emplace(error->status(), error->os_errno(), "out of memory");
  }
}

void Drain::call_back(const Durable* durable, const Error* error) noexcept try {
  std::function<void(const Durable*, const Error*)> callback;
  {
    const std::lock_guard lock(mutex_);
    callback = on_result_;
  }
  if (callback) callback(durable, error);
} catch (...) {   // whoever listens must not end the writer
}

void Drain::tell_failure(const Staged& staged, const Error& error) noexcept try {
  target_.ledger.append("save_failed", {{"step", staged.header.step},
                                        {"status", static_cast<int>(error.status())},
                                        {"os_errno", error.os_errno()},
                                        {"reason", error.what()}});
  if (!told_.insert(kind_of(error)).second) return;
  const bool older = published_ > 0 || target_.resumed_from;
  log_warning("snapshot of step {} was not written: {}; {}", staged.header.step, error.what(),
              older ? "the older one stands" : "there is no older one yet");
} catch (const std::exception&) {   // out of memory: last_error() still tells
}

}  // namespace ckpt::staging
