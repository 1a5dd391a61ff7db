// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_MAIN
#define CATCH_CONFIG_NO_POSIX_SIGNALS   // signals belong to what is tested; a crash is told by ctest
#include <catch2/catch.hpp>

// HDF5 loses some hundred bytes for each damaged object header it meets (1.10.8). That we leave no identifier of HDF5
// behind has a test of its own.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() { return "leak:libhdf5"; }
