# SPDX-License-Identifier: Apache-2.0
# The libraries of others, each as dependency::<name>. What is installed carries HDF5, zlib, zstd and the C++ runtime inside
# (ckpt_private); developer builds link the distribution's. Header-only libraries come from the distribution always.
option(CKPT_PRIVATE_DEPENDENCIES "Build HDF5, zlib and zstd from pinned source and link everything but libc statically" ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(CKPT_HEADERS_APART)        # by the toolchain file: the compiler brings a C library of its own (scripts/build-wheels)
  include(ckpt_headers_apart)
else()
  find_package(PkgConfig REQUIRED)
  find_package(fmt REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(CLI11 REQUIRED)
  pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8)
endif()

if(CKPT_PRIVATE_DEPENDENCIES)
  include(ckpt_private)
else()
  pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
  pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd>=1.4)
  pkg_check_modules(hdf5 REQUIRED IMPORTED_TARGET hdf5>=1.10.5)
  add_library(dependency::hdf5 ALIAS PkgConfig::hdf5)
  add_library(dependency::zlib ALIAS PkgConfig::zlib)
  add_library(dependency::zstd ALIAS PkgConfig::zstd)
  add_library(dependency::xxhash ALIAS PkgConfig::xxhash)
  add_library(dependency::fmt ALIAS fmt::fmt)
endif()
