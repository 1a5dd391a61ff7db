// SPDX-License-Identifier: Apache-2.0
// The only catch ladder: exceptions end here, as a status and a text in the caller's buffer.
#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <type_traits>

#include "base/error.hpp"
#include "include/ckpt/ckpt.h"

namespace ckpt::api {

// An array bound, so that a longer text is cut instead of written past the end; always NUL-terminated.
inline ckpt_status report(ckpt_error* error, ckpt_status status, int os_errno, const char* text) noexcept {
  if (!error) return status;
  error->status = status;
  error->os_errno = os_errno;
  std::strncpy(error->text, text, sizeof error->text - 1);
  error->text[sizeof error->text - 1] = '\0';
  return status;
}

// Calls work(), which returns nothing (CKPT_OK) or a ckpt_status.
template <class Work>
ckpt_status guard(ckpt_error* error, Work&& work) noexcept {
  try {
    ckpt_status status = CKPT_OK;
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) work();
    else status = work();
    return report(error, status, 0, "");
  } catch (const std::bad_alloc&) {
    return report(error, CKPT_ERR_MEMORY, 0, "out of memory");
  } catch (const Error& failure) {
    return report(error, failure.status(), failure.os_errno(), failure.what());
  } catch (const std::exception& failure) {
    return report(error, CKPT_ERR_INTERNAL, 0, failure.what());
  } catch (...) {
    return report(error, CKPT_ERR_INTERNAL, 0, "an exception of unknown type");
  }
}

// For every pointer a caller may not leave NULL.
template <class Pointer>
Pointer* require(Pointer* pointer, const char* what) {
  if (!pointer) fail(CKPT_ERR_ARGUMENT, "{} is NULL", what);
  return pointer;
}

}  // namespace ckpt::api
