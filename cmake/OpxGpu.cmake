# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0

# opx_gpu_sources(<module> <files.cu> [HOST <files>] [CUDA <files>] STUB <files.cpp>): kernel files of opx_<module>,
# compiled as C++ for the host runtime and by nvcc for CUDA, with the files that only one runtime has (library calls);
# without a GPU runtime the module gets the stub instead.
function(opx_gpu_sources module)
  cmake_parse_arguments(ARG "" "" "HOST;CUDA;STUB" ${ARGN})
  if(OPX_WITH_GPU_HOST)
    set(kernels ${ARG_UNPARSED_ARGUMENTS} ${ARG_HOST})
  elseif(OPX_WITH_CUDA)
    set(kernels ${ARG_UNPARSED_ARGUMENTS} ${ARG_CUDA})
  else()
    target_sources(opx_${module} PRIVATE ${ARG_STUB})
    return()
  endif()
  target_sources(opx_${module} PRIVATE ${kernels})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  if(kernels)
    opx_gpu_files(${kernels})
  endif()
endfunction()

# Marks files of the current folder as kernel files (for tests, too).
function(opx_gpu_files)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++"
                              COMPILE_DEFINITIONS OPX_GPU_HOST)
endfunction()

# opx_add_gpu_test(<name> SOURCES <files> MODULES <modules>): label gpu. A build with the host runtime runs it with five
# seeds of the order of threads and streams.
function(opx_add_gpu_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MODULES" ${ARGN})
  set(kernels ${ARG_SOURCES})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  if(kernels AND NOT OPX_WITH_GPU_HOST)
    return()
  endif()
  if(kernels)
    opx_gpu_files(${kernels})
  endif()
  opx_add_test(${name} SOURCES ${ARG_SOURCES} MODULES ${ARG_MODULES} LABELS gpu)
  if(NOT TARGET gpu_tests)
    add_custom_target(gpu_tests)
  endif()
  add_dependencies(gpu_tests ${name})
  if(OPX_WITH_GPU_HOST)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT OPX_GPU_HOST_SEED=1)
    foreach(seed RANGE 2 5)
      add_test(NAME ${name}_seed${seed} COMMAND ${name})
      set_tests_properties(${name}_seed${seed} PROPERTIES LABELS gpu TIMEOUT 300
                           ENVIRONMENT OPX_GPU_HOST_SEED=${seed})
    endforeach()
  endif()
endfunction()
