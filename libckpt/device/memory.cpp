// SPDX-License-Identifier: Apache-2.0
#include "device/memory.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/dtype.hpp"
#include "base/error.hpp"

namespace ckpt::device {
namespace {

constexpr std::uint64_t largest_size = std::numeric_limits<std::int64_t>::max();

std::uint64_t element_bytes(const ckpt_array& array) noexcept {
  const DtypeInfo* info = find_dtype(array.dtype);
  return info ? info->size_bytes : 0;
}

bool strides_given(const ckpt_array& array) noexcept {
  return std::any_of(array.strides, array.strides + array.ndim, [](std::int64_t stride) { return stride != 0; });
}

bool has_elements(const ckpt_array& array) noexcept {
  return std::find(array.shape, array.shape + array.ndim, 0u) == array.shape + array.ndim;
}

void check_size(const char* name, const ckpt_array& array) {
  std::uint64_t bytes = element_bytes(array);
  for (int axis = 0; axis < array.ndim; ++axis) {
    if (__builtin_mul_overflow(bytes, array.shape[axis], &bytes) || bytes > largest_size)
      fail(CKPT_ERR_ARGUMENT, "array '{}': its shape has more bytes than memory can hold", name);
  }
}

struct Axis {
  std::uint64_t length;
  std::uint64_t stride;   // distance between neighbours, whatever the direction
};

// Axes from the finest to the coarsest stride: each must step over everything the finer ones cover, otherwise two
// elements share bytes and no restore can be right.
void check_strides(const char* name, const ckpt_array& array) {
  std::vector<Axis> axes;
  for (int axis = 0; axis < array.ndim; ++axis) {
    const std::int64_t stride = array.strides[axis];
    if (array.shape[axis] > 1)
      axes.push_back({array.shape[axis], stride < 0 ? -static_cast<std::uint64_t>(stride) : stride + 0ull});
  }
  std::sort(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  std::uint64_t covered = element_bytes(array);
  for (const Axis& axis : axes) {
    if (axis.stride < covered)
      fail(CKPT_ERR_ARGUMENT, "array '{}': its strides let elements overlap, which cannot be restored", name);
    std::uint64_t reach = 0;
    if (__builtin_mul_overflow(axis.length - 1, axis.stride, &reach) ||
        __builtin_add_overflow(covered, reach, &covered) || covered > largest_size)
      fail(CKPT_ERR_ARGUMENT, "array '{}': its strides reach further than memory does", name);
  }
}

void check_device(const char* name, const ckpt_array& array) {
  if (array.device == CKPT_HOST) return;
  if (array.device == CKPT_CUDA)
    fail(CKPT_ERR_NO_DEVICE, "array '{}' is in CUDA memory, which this version cannot save: copy it to the host", name);
  fail(CKPT_ERR_ARGUMENT, "array '{}': {} is no ckpt_device", name, array.device);
}

// An array as runs of contiguous bytes: the inner axes without gaps are one run, the outer ones are walked.
class Runs {
 public:
  Runs(const ckpt_array& array, std::uint64_t first) : run_bytes_(element_bytes(array)), axes_(array.ndim) {
    const auto continues_run = [&](int axis) {
      return array.shape[axis] == 1 || array.strides[axis] == static_cast<std::int64_t>(run_bytes_);
    };
    while (axes_ > 0 && continues_run(axes_ - 1)) run_bytes_ *= array.shape[--axes_];
    std::copy_n(array.shape, axes_, shape_.begin());
    std::copy_n(array.strides, axes_, strides_.begin());
    at_ = static_cast<std::byte*>(array.data);
    std::uint64_t run = first / run_bytes_;
    in_run_ = first % run_bytes_;
    for (int axis = axes_ - 1; axis >= 0; --axis, run /= shape_[axis + 1]) {
      index_[axis] = run % shape_[axis];
      at_ += static_cast<std::int64_t>(index_[axis]) * strides_[axis];
    }
  }

  // The next piece of at most `limit` bytes.
  std::span<std::byte> next(std::uint64_t limit) noexcept {
    const std::uint64_t bytes = std::min(run_bytes_ - in_run_, limit);
    const std::span piece(at_ + in_run_, bytes);
    in_run_ += bytes;
    if (in_run_ == run_bytes_) step();
    return piece;
  }

 private:
  void step() noexcept {
    in_run_ = 0;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      if (++index_[axis] < shape_[axis]) {
        at_ += strides_[axis];
        return;
      }
      at_ -= static_cast<std::int64_t>(index_[axis] - 1) * strides_[axis];
      index_[axis] = 0;
    }
  }

  std::uint64_t run_bytes_;
  int axes_;
  std::array<std::uint64_t, CKPT_MAX_DIMS> shape_{}, index_{};
  std::array<std::int64_t, CKPT_MAX_DIMS> strides_{};
  std::byte* at_ = nullptr;
  std::uint64_t in_run_ = 0;
};

// memcpy of a constant size is one instruction; runs of single elements are what columns and transposes give.
void copy_piece(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  switch (bytes) {
    case 1: std::memcpy(to, from, 1); break;
    case 2: std::memcpy(to, from, 2); break;
    case 4: std::memcpy(to, from, 4); break;
    case 8: std::memcpy(to, from, 8); break;
    default: std::memcpy(to, from, bytes);
  }
}

std::byte* contiguous_bytes(const ckpt_array& array) noexcept {
  return is_contiguous(array) ? static_cast<std::byte*>(array.data) : nullptr;
}

}  // namespace

void check_array(const char* name, const ckpt_array& array) {
  if (!find_dtype(array.dtype)) fail(CKPT_ERR_ARGUMENT, "array '{}': {} is no ckpt_dtype", name, array.dtype);
  if (array.ndim < 0 || array.ndim > CKPT_MAX_DIMS)
    fail(CKPT_ERR_ARGUMENT, "array '{}': {} dimensions; 0 to {} are possible", name, array.ndim, CKPT_MAX_DIMS);
  if (std::any_of(std::begin(array.reserved), std::end(array.reserved), [](std::uint64_t word) { return word != 0; }))
    fail(CKPT_ERR_ARGUMENT, "array '{}': reserved fields are not zero; zero-initialise the ckpt_array", name);
  check_device(name, array);
  if (!has_elements(array)) return;
  if (!array.data) fail(CKPT_ERR_ARGUMENT, "array '{}': data is NULL", name);
  check_size(name, array);
  if (strides_given(array)) check_strides(name, array);
}

std::uint64_t element_count(const ckpt_array& array) noexcept {
  if (!has_elements(array)) return 0;
  std::uint64_t count = 1;
  for (int axis = 0; axis < array.ndim; ++axis) count *= array.shape[axis];
  return count;
}

std::uint64_t size_bytes(const ckpt_array& array) noexcept { return element_count(array) * element_bytes(array); }

bool is_contiguous(const ckpt_array& array) noexcept {
  if (!strides_given(array) || !has_elements(array)) return true;
  std::uint64_t expected = element_bytes(array);
  for (int axis = array.ndim - 1; axis >= 0; --axis) {
    if (array.shape[axis] == 1) continue;
    if (array.strides[axis] != static_cast<std::int64_t>(expected)) return false;
    expected *= array.shape[axis];
  }
  return true;
}

void copy_out(const ckpt_array& array, std::uint64_t first, std::span<std::byte> to) {
  if (to.empty()) return;
  if (const std::byte* bytes = contiguous_bytes(array)) {
    std::memcpy(to.data(), bytes + first, to.size());
    return;
  }
  for (Runs runs(array, first); !to.empty();) {
    const auto piece = runs.next(to.size());
    copy_piece(to.data(), piece.data(), piece.size());
    to = to.subspan(piece.size());
  }
}

void copy_in(const ckpt_array& array, std::uint64_t first, std::span<const std::byte> from) {
  if (from.empty()) return;
  if (std::byte* bytes = contiguous_bytes(array)) {
    std::memcpy(bytes + first, from.data(), from.size());
    return;
  }
  for (Runs runs(array, first); !from.empty();) {
    const auto piece = runs.next(from.size());
    copy_piece(piece.data(), from.data(), piece.size());
    from = from.subspan(piece.size());
  }
}

}  // namespace ckpt::device
