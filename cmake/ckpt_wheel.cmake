# SPDX-License-Identifier: Apache-2.0
# What goes into a Python wheel (see pyproject.toml): the library inside the package, one file without a version in its name,
# since wheels hold no links; the tools where the environment has its commands; the notices of what is compiled in.
install(FILES $<TARGET_FILE:ckpt> DESTINATION libckpt/lib RENAME libckpt.so COMPONENT wheel)
install(PROGRAMS $<TARGET_FILE:ckptrun> $<TARGET_FILE:ckptplan> $<TARGET_FILE:ckpt_tool>
        DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT wheel)
install(DIRECTORY docs/licenses/ DESTINATION libckpt/licenses COMPONENT wheel)
if(CKPT_PRIVATE_DEPENDENCIES)
  foreach(name hdf5 zlib zstd)
    install(FILES "${CKPT_PRIVATE_${name}}/LICENCE" DESTINATION libckpt/licenses RENAME LICENSE.${name} COMPONENT wheel)
  endforeach()
endif()
