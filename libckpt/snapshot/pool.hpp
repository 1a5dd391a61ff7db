// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace ckpt::snapshot {

// Tools that are costly to make and used by one thread at a time: as many as there are threads at work.
template <class Tool>
class Pool {
 public:
  class Lease {
   public:
    explicit Lease(Pool& pool) : pool_(pool), tool_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(tool_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Tool* operator->() const noexcept { return tool_.get(); }
    Tool& operator*() const noexcept { return *tool_; }

   private:
    Pool& pool_;
    std::unique_ptr<Tool> tool_;
  };

 private:
  std::unique_ptr<Tool> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto tool = std::move(idle_.back());
        idle_.pop_back();
        return tool;
      }
    }
    return std::make_unique<Tool>();
  }

  void give_back(std::unique_ptr<Tool> tool) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      idle_.push_back(std::move(tool));
    } catch (...) {   // no memory to remember it: it goes
    }
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Tool>> idle_;
};

}  // namespace ckpt::snapshot
