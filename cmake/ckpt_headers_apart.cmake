# SPDX-License-Identifier: Apache-2.0
# The header-only libraries of this machine for a compiler that must not see its C library, whose headers lie in the same
# folder: links to them alone, in a folder of the build.
set(apart "${PROJECT_BINARY_DIR}/headers")
file(MAKE_DIRECTORY "${apart}")
foreach(header fmt/format.h nlohmann/json.hpp CLI/CLI.hpp xxhash.h)
  find_path(CKPT_FOLDER_OF_${header} ${header} PATHS /usr/local/include /usr/include NO_DEFAULT_PATH REQUIRED)
  string(REGEX REPLACE "/.*" "" top ${header})
  file(CREATE_LINK "${CKPT_FOLDER_OF_${header}}/${top}" "${apart}/${top}" SYMBOLIC)
endforeach()
set(xxhash_INCLUDE_DIRS "${apart}")
foreach(library fmt::fmt-header-only nlohmann_json::nlohmann_json CLI11::CLI11)
  add_library(${library} INTERFACE IMPORTED)
  target_include_directories(${library} INTERFACE "${apart}")
endforeach()
target_compile_definitions(fmt::fmt-header-only INTERFACE FMT_HEADER_ONLY=1)
