# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Installs the library, its headers, the command line and a package file: find_package(orthoplex) gives
# orthoplex::orthoplex. The libraries are static, so a consumer needs the same third-party libraries to link;
# orthoplexConfig.cmake finds them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(opx_modules GLOBAL PROPERTY OPX_MODULES)
list(REMOVE_ITEM opx_modules opx_cli)
set(opx_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/orthoplex)

foreach(target IN LISTS opx_modules)
  string(REPLACE "opx_" "" name ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
endforeach()
set_target_properties(opx_compiler PROPERTIES EXPORT_NAME compiler)
install(TARGETS ${opx_modules} opx_compiler EXPORT orthoplexTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT orthoplexTargets NAMESPACE opx:: DESTINATION ${opx_cmake_dir})
if(TARGET orthoplex)
  install(TARGETS orthoplex RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# A module's API are the headers of its folder; backend folders and detail/ are private to it. The launcher of an MPI job
# (comm/mpi/job.hpp) and of ranks as threads are what an embedding program starts from.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/orthoplex FILES_MATCHING
        PATTERN "*.hpp"
        PATTERN "cli" EXCLUDE
        PATTERN "detail" EXCLUDE
        PATTERN "cpu" EXCLUDE
        PATTERN "ref" EXCLUDE
        PATTERN "stub" EXCLUDE
        PATTERN "gpu/host" EXCLUDE
        PATTERN "gpu/cuda" EXCLUDE
        PATTERN "gpu/api.hpp" EXCLUDE
        PATTERN "comm/gpu" EXCLUDE
        PATTERN "comm/nccl" EXCLUDE
        PATTERN "link.hpp" EXCLUDE
        PATTERN "call_check.hpp" EXCLUDE
        PATTERN "state.hpp" EXCLUDE
        PATTERN "*-inl.hpp" EXCLUDE)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/orthoplexConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/orthoplexConfig.cmake INSTALL_DESTINATION ${opx_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/orthoplexConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/orthoplexConfig.cmake ${PROJECT_BINARY_DIR}/orthoplexConfigVersion.cmake
        DESTINATION ${opx_cmake_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/orthoplex)
