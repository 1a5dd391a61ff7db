// SPDX-License-Identifier: Apache-2.0
// All that differs between the versions of HDF5 this room compiles with: 1.10 (Debian 12) to 1.14 (what is installed).
#pragma once

#include <hdf5.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>   // H5FD_class_t and H5FD_t moved here
#endif

namespace ckpt::snapshot {

// Older versions lose some memory with each damaged object header they meet, and at exit say "infinite loop closing
// library" to whoever prints HDF5's errors.
inline constexpr bool complains_at_exit_after_damage = !H5_VERSION_GE(1, 14, 0);

inline H5FD_class_t empty_driver_class() {
  H5FD_class_t driver{};
#if H5_VERSION_GE(1, 13, 0)
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(500);   // 256 to 511 are free for drivers that nobody looks up
#endif
  return driver;
}

// Whatever HDF5_VOL_CONNECTOR says.
inline herr_t use_native_format([[maybe_unused]] hid_t access_list) {
#if H5_VERSION_GE(1, 12, 0)
  return H5Pset_vol(access_list, H5VL_NATIVE, nullptr);
#else
  return 0;
#endif
}

// By its address: looking the name up again takes as long as the rest of opening it.
inline hid_t open_target(hid_t group, const H5L_info_t& link) {
#if H5_VERSION_GE(1, 12, 0)
  return H5Oopen_by_token(group, link.u.token);
#else
  return H5Oopen_by_addr(group, link.u.address);
#endif
}

// Every object of a file, each once.
#if H5_VERSION_GE(1, 12, 0)
using ObjectInfo = H5O_info2_t;
inline herr_t visit_objects(hid_t file, H5O_iterate2_t take, void* data) {
  return H5Ovisit3(file, H5_INDEX_NAME, H5_ITER_NATIVE, take, data, H5O_INFO_BASIC);
}
#else
using ObjectInfo = H5O_info_t;
inline herr_t visit_objects(hid_t file, H5O_iterate_t take, void* data) {
  return H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_NATIVE, take, data, H5O_INFO_BASIC);
}
#endif

}  // namespace ckpt::snapshot
