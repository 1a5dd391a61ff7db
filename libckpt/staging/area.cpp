// SPDX-License-Identifier: Apache-2.0
#include "staging/area.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "staging/background.hpp"
#include "staging/touch.hpp"

namespace ckpt::staging {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t huge_page_bytes = 2u << 20;

std::uint64_t round_up(std::uint64_t bytes, std::uint64_t granule) { return (bytes + granule - 1) / granule * granule; }

[[noreturn]] void fail_memory(std::uint64_t size_bytes, int os_errno) {
  throw Error(CKPT_ERR_MEMORY, os_errno,
              fmt::format("no memory for a staging area of {}: {}; ask for more memory, or set CKPT_STAGING_SIZE=0 to "
                          "write snapshots without one",
                          format_size(size_bytes), errno_text(os_errno)));
}

// Kernels before 6.7 start a mapping at any page; huge pages need their own boundary: map more and cut it.
std::byte* map_aligned(std::uint64_t size_bytes, std::uint64_t boundary) {
  const std::uint64_t spare = boundary - page_bytes;
  void* mapped = ::mmap(nullptr, size_bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(mapped);
  const std::uint64_t head = round_up(reinterpret_cast<std::uint64_t>(first), boundary) -
                             reinterpret_cast<std::uint64_t>(first);
  if (head > 0) ::munmap(first, head);
  if (head < spare) ::munmap(first + head + size_bytes, spare - head);
  return first + head;
}

}  // namespace

Area::~Area() { release(); }

void Area::reserve(std::uint64_t size_bytes) {
  if (size_bytes <= size_) return;
  release();
  const std::uint64_t granule = size_bytes < huge_page_bytes ? page_bytes : huge_page_bytes;
  if (size_bytes > SIZE_MAX - 2 * granule) fail_memory(size_bytes, ENOMEM);
  const std::uint64_t rounded = round_up(size_bytes, granule);
  data_ = map_aligned(rounded, granule);
  if (data_ == nullptr) fail_memory(size_bytes, errno);
  size_ = rounded;
  ::madvise(data_, size_, MADV_HUGEPAGE);
  ::madvise(data_, size_, MADV_DONTFORK);   // a forked child must not make the next save pay for copy-on-write
}

void Area::prefault_in_background() try {
  if (data_ == nullptr || toucher_.joinable()) return;
  stop_touching_ = false;
  toucher_ = start_background_thread([this] { touch_pages(bytes(), stop_touching_); });
} catch (const std::system_error& error) {   // then the first save is slower, nothing else
  log_debug("the staging area is not touched in advance: {}", error.what());
}

void Area::release() {
  if (toucher_.joinable()) {
    stop_touching_ = true;
    toucher_.join();
  }
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace ckpt::staging
