// SPDX-License-Identifier: Apache-2.0
// The memory that snapshots are copied to. Private anonymous memory, in huge pages where the kernel gives them, touched
// in the background so that the first save is as fast as the later ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>

namespace ckpt::staging {

// Bytes a process may still use: the tightest of MemAvailable and every memory cgroup (v1 and v2) above it.
// `root` is "/" except in tests, which pass a directory with recorded proc/ and sys/ files.
std::uint64_t memory_still_allowed(const char* root = "/");
// How many processes the kernel has killed so far in the memory cgroups with a limit around this process: one more than
// before, and a program that died of SIGKILL was killed for memory.
std::uint64_t processes_killed_for_memory(const char* root = "/");

class Area {
 public:
  Area() = default;
  ~Area();
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;

  // Makes room for at least `size_bytes`, keeping nothing of the content. Throws CKPT_ERR_MEMORY; then it is empty.
  void reserve(std::uint64_t size_bytes);
  // Starts touching the pages on a thread of its own (once per reserve). Safe to use the area meanwhile.
  void prefault_in_background();
  void release();                       // gives the memory back
  std::span<std::byte> bytes() noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
  std::thread toucher_;
  std::atomic<bool> stop_touching_{false};
};

}  // namespace ckpt::staging
