# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Warnings and sanitizers as one interface target that every module links.
add_library(opx_compiler INTERFACE)
add_library(opx::compiler ALIAS opx_compiler)
target_compile_features(opx_compiler INTERFACE cxx_std_20)
add_library(opx_warnings INTERFACE)
set(_host -Wall -Wextra -Wconversion -Wshadow -Wno-sign-conversion $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
          $<$<BOOL:${OPX_WERROR}>:-Werror>)
target_compile_options(opx_warnings INTERFACE "$<$<COMPILE_LANGUAGE:C,CXX>:${_host}>")
if(OPX_WITH_CUDA)
  # The code that nvcc makes for the host compiler converts and shadows at will.
  target_compile_options(opx_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter>"
                                                "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${OPX_WERROR}>>:-Werror=all-warnings>")
endif()
if(OPX_SANITIZE STREQUAL "address")
  target_compile_options(opx_compiler INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                                                -fno-omit-frame-pointer)
  target_link_options(opx_compiler INTERFACE -fsanitize=address,undefined)
elseif(OPX_SANITIZE STREQUAL "thread")
  target_compile_options(opx_compiler INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(opx_compiler INTERFACE -fsanitize=thread)
elseif(OPX_SANITIZE)
  message(FATAL_ERROR "OPX_SANITIZE is '${OPX_SANITIZE}'; it takes 'address' or 'thread'")
endif()

if(OPX_BUILD_FUZZ)
  target_compile_options(opx_compiler INTERFACE -fsanitize=fuzzer-no-link,address -fno-omit-frame-pointer -g)
  target_link_options(opx_compiler INTERFACE -fsanitize=address)
endif()

find_program(OPX_CCACHE ccache)
foreach(_language CXX CUDA)
  if(OPX_CCACHE AND NOT CMAKE_${_language}_COMPILER_LAUNCHER)
    set(CMAKE_${_language}_COMPILER_LAUNCHER "${OPX_CCACHE}")
  endif()
endforeach()
if(OPX_WITH_CUDA AND OPX_CUDA_RESOURCE_USAGE)
  list(PREPEND CMAKE_CUDA_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/scripts/lint/ptxas_log.sh")
  string(APPEND CMAKE_CUDA_FLAGS " -Xptxas=-v")
endif()
