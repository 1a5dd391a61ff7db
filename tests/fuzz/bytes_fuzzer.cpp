// SPDX-License-Identifier: Apache-2.0
// Bytes changed at random, as a bad disk does it: what HDF5's and zstd's checksums are for.
#include <cstdint>

#include "read_anything.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ckpt::testing::read_anything({reinterpret_cast<const char*>(data), size});
  return 0;
}
