# SPDX-License-Identifier: Apache-2.0
# How everything is compiled, and how a room of the house becomes a target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)      # the rooms end up in libckpt.so
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR})
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)   # __FILE__ names no folder of the machine that builds

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

set(CKPT_SANITIZE "" CACHE STRING "Sanitizers for everything: address,undefined or thread")
if(CKPT_SANITIZE)
  add_compile_options(-fsanitize=${CKPT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CKPT_SANITIZE})
  if(CMAKE_C_COMPILER_ID MATCHES Clang)   # of the library's C++ there are calls that only clang++ links by itself
    add_link_options($<$<LINK_LANGUAGE:C>:-fsanitize-link-c++-runtime>)
    string(APPEND CMAKE_C_STANDARD_LIBRARIES " -lstdc++")
  endif()
endif()

option(CKPT_UNITY "Compile each room as one source: from nothing several times as fast, after a small change slower" ON)

# ckpt_room(name SOURCES … LINK …): one static library ckpt_<name> per folder. LINK names only rooms below, so that the
# arrow law is also the link order.
function(ckpt_room name)
  cmake_parse_arguments(room "" "" "SOURCES;LINK" ${ARGN})
  add_library(ckpt_${name} STATIC ${room_SOURCES})
  set_target_properties(ckpt_${name} PROPERTIES UNITY_BUILD ${CKPT_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_include_directories(ckpt_${name} PUBLIC ${PROJECT_SOURCE_DIR}/libckpt)
  target_link_libraries(ckpt_${name} PUBLIC ${room_LINK})
endfunction()
