// SPDX-License-Identifier: Apache-2.0
// Making pages present before they are needed, without changing what anybody writes to them meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

namespace ckpt::staging {

// Until done or `stop`. Asks the kernel (MADV_POPULATE_WRITE, Linux 5.14) and writes by itself where that is unknown.
// `pages` starts at a page.
void touch_pages(std::span<std::byte> pages, const std::atomic<bool>& stop) noexcept;
// The way for older kernels: an atomic or with zero, one byte per page.
void touch_pages_by_writing(std::span<std::byte> pages, const std::atomic<bool>& stop) noexcept;

}  // namespace ckpt::staging
