// SPDX-License-Identifier: Apache-2.0
#include "staging/touch.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace ckpt::staging {
namespace {

constexpr std::size_t smallest_page_bytes = 4096;   // on larger pages some touches find them present
constexpr std::size_t piece_bytes = 8u << 20;   // asked at once: keeps a release from waiting long
constexpr int populate_write = 23;              // MADV_POPULATE_WRITE, absent from older headers

}  // namespace

void touch_pages(std::span<std::byte> pages, const std::atomic<bool>& stop) noexcept {
  while (!pages.empty() && !stop.load(std::memory_order_relaxed)) {
    const auto piece = pages.first(std::min(piece_bytes, pages.size()));
    if (::madvise(piece.data(), piece.size(), populate_write) != 0) return touch_pages_by_writing(pages, stop);
    pages = pages.subspan(piece.size());
  }
}

// The program may be copying its state here at this moment. An atomic or with zero keeps every byte of that; the
// sanitizer sees plain and atomic writes to one byte and cannot know.
#if defined(__clang__)   // whose no_sanitize("thread") leaves atomic writes instrumented
__attribute__((disable_sanitizer_instrumentation))
#else
__attribute__((no_sanitize("thread")))
#endif
void touch_pages_by_writing(std::span<std::byte> pages, const std::atomic<bool>& stop) noexcept {
  auto* bytes = reinterpret_cast<unsigned char*>(pages.data());
  for (std::size_t at = 0; at < pages.size() && !stop.load(std::memory_order_relaxed); at += smallest_page_bytes) {
    __atomic_fetch_or(bytes + at, 0, __ATOMIC_RELAXED);
  }
}

}  // namespace ckpt::staging
