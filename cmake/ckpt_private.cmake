# SPDX-License-Identifier: Apache-2.0
# HDF5, zlib and zstd of our own, from pinned source, static and hidden: a program that loads libckpt may use another HDF5,
# also one without symbol versions, and neither sees the other. scripts/fetch-dependencies brings the sources. What is
# built is kept in a cache folder ($CKPT_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/ckpt) under a hash of all that shapes it.
set(CKPT_DEPENDENCY_ARCHIVES "" CACHE PATH "Folder with the source archives of HDF5, zlib and zstd; empty: fetch them")

function(ckpt_cache_folder result)
  if(DEFINED ENV{CKPT_CACHE})
    set(folder "$ENV{CKPT_CACHE}")
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(folder "$ENV{XDG_CACHE_HOME}/ckpt")
  elseif(DEFINED ENV{HOME})
    set(folder "$ENV{HOME}/.cache/ckpt")
  else()
    set(folder "${PROJECT_BINARY_DIR}/cache")
  endif()
  file(REAL_PATH "${folder}" folder BASE_DIRECTORY "${PROJECT_BINARY_DIR}")
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()

# Runs a command of a build; what it says goes into a log, and is shown when it fails.
function(ckpt_run_logged log)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE said ERROR_VARIABLE said)
  file(APPEND "${log}" "${said}")
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${said}\nfailed (${code}); all of it is in ${log}")
  endif()
endfunction()

# How to compile as this build does: `shaping` changes what comes out, `tools` does not.
function(ckpt_compiler_settings shaping tools)
  foreach(name C_COMPILER C_COMPILER_ARG1 C_COMPILER_TARGET SYSROOT TOOLCHAIN_FILE AR RANLIB)
    if(CMAKE_${name})
      list(APPEND shaping_list -DCMAKE_${name}=${CMAKE_${name}})
    endif()
  endforeach()
  if(CMAKE_TOOLCHAIN_FILE)
    file(SHA256 "${CMAKE_TOOLCHAIN_FILE}" toolchain)
    list(APPEND shaping_list -DCKPT_TOOLCHAIN_HASH=${toolchain})
  endif()
  if(CMAKE_CROSSCOMPILING)
    list(APPEND shaping_list -DCMAKE_SYSTEM_NAME=${CMAKE_SYSTEM_NAME}
         -DCMAKE_SYSTEM_PROCESSOR=${CMAKE_SYSTEM_PROCESSOR})
  endif()
  foreach(name MAKE_PROGRAM C_COMPILER_LAUNCHER CROSSCOMPILING_EMULATOR)
    if(CMAKE_${name})
      list(APPEND tools_list -DCMAKE_${name}=${CMAKE_${name}})
    endif()
  endforeach()
  set(${shaping} "${shaping_list}" PARENT_SCOPE)
  set(${tools} -G ${CMAKE_GENERATOR} -Wno-dev ${tools_list} PARENT_SCOPE)
endfunction()

# ckpt_private_library(NAME SOURCE folder in the archive, or PROJECT folder of ours that builds what CKPT_SOURCE names, LICENCE file
# in the archive, C_FLAGS text, OPTIONS …): builds it unless the cache has it, and sets CKPT_PRIVATE_<NAME> to the prefix it is
# installed in, its licence in the file LICENCE there.
function(ckpt_private_library name)
  cmake_parse_arguments(library "" "SOURCE;PROJECT;LICENCE;C_FLAGS" "OPTIONS" ${ARGN})
  ckpt_compiler_settings(shaping tools)
  string(STRIP "${CMAKE_C_FLAGS} -fvisibility=hidden -ffunction-sections -fdata-sections -w ${library_C_FLAGS}" flags)
  list(APPEND shaping -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF
       -DBUILD_TESTING=OFF -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POLICY_VERSION_MINIMUM=3.5 ${library_OPTIONS}
       "-DCMAKE_C_FLAGS=${flags}")
  if(library_PROJECT)
    file(SHA256 "${library_PROJECT}/CMakeLists.txt" project)
    list(APPEND shaping -DCKPT_PROJECT_HASH=${project})
  endif()
  string(SHA256 key "${ckpt_hash_${name}};${shaping};${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
  string(SUBSTRING ${key} 0 16 key)
  ckpt_cache_folder(cache)
  set(prefix "${cache}/${name}-${key}")
  if(NOT EXISTS "${prefix}")
    ckpt_build_library(${name} "${library_PROJECT}" "${library_SOURCE}" "${library_LICENCE}" "${shaping};${tools}" "${prefix}")
  endif()
  set(CKPT_PRIVATE_${name} "${prefix}" PARENT_SCOPE)
endfunction()

# Installs into a folder of its own, then renames that: of two builds at once neither sees the other's half.
function(ckpt_build_library name project source licence settings prefix)
  message(STATUS "Building ${name} from ${ckpt_archive_${name}}, once: it is kept in ${prefix}")
  set(work "${PROJECT_BINARY_DIR}/private/${name}")
  file(REMOVE_RECURSE "${work}")
  file(ARCHIVE_EXTRACT INPUT "${ckpt_archive_${name}}" DESTINATION "${work}")
  file(GLOB unpacked "${work}/*")
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  string(RANDOM LENGTH 12 random)
  set(installed "${prefix}.${random}")
  # No folder of this machine may be in what is built: HDF5 names its files, and keeps a summary of how it was configured.
  file(GLOB summaries "${unpacked}/src/H5build_settings.*.in")
  foreach(summary ${summaries})
    file(WRITE "${summary}" "const char H5build_settings[] = \"\";\n")
  endforeach()
  if(NOT project)
    set(project "${unpacked}/${source}")
  endif()
  list(APPEND settings "-DCKPT_SOURCE=${unpacked}" "-DCMAKE_C_FLAGS_RELEASE=-O3 -DNDEBUG -fmacro-prefix-map=${unpacked}/=")
  ckpt_run_logged("${work}/log" ${CMAKE_COMMAND} -S "${project}" -B "${work}/build" ${settings}
                  -DCMAKE_INSTALL_PREFIX=/usr/local -DCMAKE_Fortran_MODULE_DIRECTORY:STRING=mod)
  ckpt_run_logged("${work}/log" ${CMAKE_COMMAND} --build "${work}/build" --parallel ${cores})
  ckpt_run_logged("${work}/log" ${CMAKE_COMMAND} --install "${work}/build" --prefix "${installed}")
  configure_file("${unpacked}/${licence}" "${installed}/LICENCE" COPYONLY)
  file(RENAME "${installed}" "${prefix}" RESULT result)
  if(NOT EXISTS "${prefix}")
    message(FATAL_ERROR "cannot rename ${installed} to ${prefix}: ${result}")
  endif()
  file(REMOVE_RECURSE "${work}" "${installed}")
endfunction()

# Lines "NAME SHA256 FILE", of which come ckpt_hash_<NAME> and ckpt_archive_<NAME>.
ckpt_cache_folder(cache)
set(fetch ${PROJECT_SOURCE_DIR}/scripts/fetch-dependencies --into "${cache}/archives")
if(CKPT_DEPENDENCY_ARCHIVES)
  list(APPEND fetch --archives "${CKPT_DEPENDENCY_ARCHIVES}")
endif()
execute_process(COMMAND ${fetch} RESULT_VARIABLE code OUTPUT_VARIABLE fetched OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "no source of HDF5, zlib and zstd; CKPT_PRIVATE_DEPENDENCIES=OFF would link this machine's")
endif()
string(REPLACE "\n" ";" fetched "${fetched}")
foreach(line ${fetched})
  string(REGEX MATCH "^([a-z0-9]+) ([a-f0-9]+) (.+)$" line "${line}")
  set(ckpt_hash_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  set(ckpt_archive_${CMAKE_MATCH_1} "${CMAKE_MATCH_3}")
endforeach()

ckpt_private_library(zlib PROJECT "${PROJECT_SOURCE_DIR}/cmake/zlib" LICENCE LICENSE)
# The C library alone. Variables of the environment are meant for the program's HDF5: this one asks a function of ours
# (snapshot/hdf5_environment.c) instead of getenv.
ckpt_private_library(hdf5 SOURCE . LICENCE COPYING C_FLAGS -Dgetenv=ckpt_hdf5_getenv
  OPTIONS -DHDF5_ENABLE_THREADSAFE=ON -DHDF5_BUILD_TOOLS=OFF -DHDF5_BUILD_UTILS=OFF -DHDF5_BUILD_EXAMPLES=OFF
          -DHDF5_BUILD_HL_LIB=OFF -DHDF5_BUILD_CPP_LIB=OFF -DHDF5_BUILD_FORTRAN=OFF -DHDF5_BUILD_DOC=OFF
          -DHDF5_ENABLE_Z_LIB_SUPPORT=ON -DZLIB_USE_EXTERNAL=OFF
          "-DZLIB_INCLUDE_DIR=${CKPT_PRIVATE_zlib}/include" "-DZLIB_LIBRARY=${CKPT_PRIVATE_zlib}/lib/libz.a" -DHDF5_ENABLE_SZIP_SUPPORT=OFF)
ckpt_private_library(zstd SOURCE build/cmake LICENCE LICENSE C_FLAGS -DZSTD_TRACE=0
  OPTIONS -DZSTD_BUILD_SHARED=OFF -DZSTD_BUILD_PROGRAMS=OFF -DZSTD_BUILD_TESTS=OFF -DZSTD_MULTITHREAD_SUPPORT=OFF
          -DZSTD_LEGACY_SUPPORT=OFF -DZSTD_BUILD_DICTBUILDER=OFF -DZSTDLIB_VISIBLE=hidden -DZSTDERRORLIB_VISIBLE=hidden)

add_library(dependency::zlib STATIC IMPORTED)
set_target_properties(dependency::zlib PROPERTIES IMPORTED_LOCATION "${CKPT_PRIVATE_zlib}/lib/libz.a")
target_include_directories(dependency::zlib INTERFACE "${CKPT_PRIVATE_zlib}/include")
add_library(dependency::hdf5 STATIC IMPORTED)
set_target_properties(dependency::hdf5 PROPERTIES IMPORTED_LOCATION "${CKPT_PRIVATE_hdf5}/lib/libhdf5.a")
target_include_directories(dependency::hdf5 INTERFACE "${CKPT_PRIVATE_hdf5}/include")
target_link_libraries(dependency::hdf5 INTERFACE ckpt_hdf5_environment dependency::zlib Threads::Threads ${CMAKE_DL_LIBS} m)
add_library(dependency::zstd STATIC IMPORTED)
set_target_properties(dependency::zstd PROPERTIES IMPORTED_LOCATION "${CKPT_PRIVATE_zstd}/lib/libzstd.a")
target_include_directories(dependency::zstd INTERFACE "${CKPT_PRIVATE_zstd}/include")

# What else would be a shared library: fmt and xxHash as headers, and the C++ runtime.
add_library(dependency::fmt ALIAS fmt::fmt-header-only)
add_library(dependency::xxhash INTERFACE IMPORTED)
target_include_directories(dependency::xxhash INTERFACE ${xxhash_INCLUDE_DIRS})
target_compile_definitions(dependency::xxhash INTERFACE XXH_INLINE_ALL)
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options($<$<LINK_LANGUAGE:CXX>:-static-libstdc++> -static-libgcc LINKER:--gc-sections)
