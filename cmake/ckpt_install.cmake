# SPDX-License-Identifier: Apache-2.0
# cmake --install: library, headers, tools, man pages, and how CMake and pkg-config find them. Nothing installed knows
# its prefix, so the folder may be moved, or be a virtual environment.
include(CMakePackageConfigHelpers)

add_custom_target(installed DEPENDS ckpt ckptrun ckptplan ckpt_tool)   # what cmake --install needs built
install(TARGETS ckpt EXPORT ckptTargets)
install(DIRECTORY libckpt/include/ckpt TYPE INCLUDE)
install(TARGETS ckptrun ckptplan ckpt_tool)
install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man7 FILES_MATCHING PATTERN "*.7")

# Ours, and the notices of what is compiled in.
install(FILES LICENSE TYPE DOC)
install(DIRECTORY docs/licenses/ TYPE DOC)
if(CKPT_PRIVATE_DEPENDENCIES)
  foreach(name hdf5 zlib zstd)
    install(FILES "${CKPT_PRIVATE_${name}}/LICENCE" TYPE DOC RENAME LICENSE.${name})
  endforeach()
endif()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ckpt)
install(EXPORT ckptTargets NAMESPACE ckpt:: DESTINATION ${package})
configure_package_config_file(cmake/ckptConfig.cmake.in ckptConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(ckptConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ckptConfig.cmake ${PROJECT_BINARY_DIR}/ckptConfigVersion.cmake
        DESTINATION ${package})

file(RELATIVE_PATH CKPT_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/ckpt.pc.in ckpt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ckpt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
