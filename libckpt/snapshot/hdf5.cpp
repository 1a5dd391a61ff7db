// SPDX-License-Identifier: Apache-2.0
#include "snapshot/hdf5.hpp"

#include <cstdlib>

#include "snapshot/hdf5_versions.hpp"

namespace ckpt::snapshot {
namespace {

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

struct ErrorStack {
  std::string innermost;
  bool out_of_memory = false;
};

herr_t visit_error(unsigned position, const H5E_error2_t* error, void* data) {
  auto& stack = *static_cast<ErrorStack*>(data);
  try {
    if (position == 0 && error->desc) stack.innermost = error->desc;
  } catch (...) {   // no memory for the text: the status still tells
    stack.out_of_memory = true;
  }
  if (error->maj_num == H5E_RESOURCE && (error->min_num == H5E_NOSPACE || error->min_num == H5E_CANTALLOC))
    stack.out_of_memory = true;
  return 0;
}

// Of complaints at exit: the program that ends has no use for them.
void keep_quiet_at_exit() {
  if constexpr (complains_at_exit_after_damage)
    [[maybe_unused]] static const int registered =
        std::atexit([] { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); });   // runs before HDF5's own handler
}

}  // namespace

Hdf5Scope::Hdf5Scope() : lock_(hdf5_mutex()) {
  if (H5Eauto_is_v2(H5E_DEFAULT, &reporting_version_) < 0) return;
  reporting_version_ = reporting_version_ ? 2 : 1;
  // Asking by the other version's function is an error that HDF5 would print.
  if (reporting_version_ == 2)
    H5Eget_auto2(H5E_DEFAULT, &handler2_, &handler_data_);
  else
    H5Eget_auto1(&handler1_, &handler_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Scope::~Hdf5Scope() {
  H5Eclear2(H5E_DEFAULT);   // a thread that ends with errors on its stack makes a later H5close() crash
  if (reporting_version_ == 2) H5Eset_auto2(H5E_DEFAULT, handler2_, handler_data_);
  if (reporting_version_ == 1) H5Eset_auto1(handler1_, handler_data_);
}

Hdf5Failed::Hdf5Failed(const char* doing) {
  ErrorStack stack;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit_error, &stack);
  out_of_memory_ = stack.out_of_memory;
  keep_quiet_at_exit();
  text_ = stack.innermost.empty() ? std::string(doing) : std::string(doing) + ": " + stack.innermost;
}

}  // namespace ckpt::snapshot
