# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0

# opx_gpu_sources(<module> <files.cu> [HOST <files>] [CUDA <files>] [STUB <files.cpp>]): kernel files of opx_<module>,
# compiled as C++ for the host runtime and by nvcc for CUDA, with the files that only one runtime has (library calls);
# without a GPU runtime the module gets the stub instead.
function(opx_gpu_sources module)
  cmake_parse_arguments(ARG "" "" "HOST;CUDA;STUB" ${ARGN})
  if(OPX_WITH_GPU_HOST)
    set(kernels ${ARG_UNPARSED_ARGUMENTS} ${ARG_HOST})
  elseif(OPX_WITH_CUDA)
    set(kernels ${ARG_UNPARSED_ARGUMENTS} ${ARG_CUDA})
    target_link_libraries(opx_${module} PRIVATE CUDA::cudart)
  else()
    if(ARG_STUB)
      target_sources(opx_${module} PRIVATE ${ARG_STUB})
    endif()
    return()
  endif()
  target_sources(opx_${module} PRIVATE ${kernels})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  if(kernels)
    opx_gpu_files(${kernels})
  endif()
endfunction()

# Marks files of the current folder as kernel files (for tests, too). "#pragma unroll" is for nvcc alone.
function(opx_gpu_files)
  if(OPX_WITH_GPU_HOST)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++;-Wno-unknown-pragmas"
                                COMPILE_DEFINITIONS OPX_GPU_HOST)
  else()
    # fmt 9 takes nvcc's front end for one without constexpr, and then does not compile. 554: conversion of MatrixView to
    # its const form, which is nothing for one that is const already.
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CUDA
                                COMPILE_OPTIONS "--expt-relaxed-constexpr;--diag-suppress=554"
                                COMPILE_DEFINITIONS "OPX_GPU_CUDA;FMT_USE_CONSTEXPR=1")
  endif()
endfunction()

# opx_add_gpu_test(<name> SOURCES <files> MODULES <modules> [COMM mpi RANKS <counts>]): label gpu. A build with the host runtime runs it with five
# seeds of the order of threads and streams, but those of COMM mpi, which take seeds themselves and run under mpirun. Without a runtime, or on a machine without a GPU, it is listed and skipped.
function(opx_add_gpu_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MODULES;COMM;RANKS" ${ARGN})
  if(NOT OPX_WITH_GPU_HOST AND NOT OPX_WITH_CUDA)
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: this build has no GPU runtime (OPX_WITH_CUDA)")
    set_tests_properties(${name} PROPERTIES LABELS gpu SKIP_REGULAR_EXPRESSION "skipped: ")
    return()
  endif()
  set(kernels ${ARG_SOURCES})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  if(kernels)
    opx_gpu_files(${kernels})
  endif()
  opx_add_test(${name} SOURCES ${ARG_SOURCES} MODULES ${ARG_MODULES} LABELS gpu COMM ${ARG_COMM} RANKS ${ARG_RANKS})
  if(NOT TARGET gpu_tests)
    add_custom_target(gpu_tests)
  endif()
  add_dependencies(gpu_tests ${name})
  if(OPX_WITH_CUDA)
    target_link_libraries(${name} PRIVATE CUDA::cudart)
  endif()
  if(ARG_COMM)
    return()
  endif()
  if(OPX_WITH_CUDA)
    set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "no GPU on this machine")
    return()
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT OPX_GPU_HOST_SEED=1)
  foreach(seed RANGE 2 5)
    add_test(NAME ${name}_seed${seed} COMMAND ${name})
    set_tests_properties(${name}_seed${seed} PROPERTIES LABELS gpu TIMEOUT 300
                         ENVIRONMENT OPX_GPU_HOST_SEED=${seed})
  endforeach()
endfunction()
