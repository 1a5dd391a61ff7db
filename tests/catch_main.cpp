// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_MAIN
#define CATCH_CONFIG_NO_POSIX_SIGNALS   // signals belong to what is tested; a crash is told by ctest
#include <catch2/catch.hpp>
