# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Warnings and sanitizers as one interface target that every module links.
add_library(opx_compiler INTERFACE)
add_library(opx::compiler ALIAS opx_compiler)
target_compile_features(opx_compiler INTERFACE cxx_std_20)
add_library(opx_warnings INTERFACE)
target_compile_options(opx_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wno-sign-conversion
                                              $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                                              $<$<BOOL:${OPX_WERROR}>:-Werror>)
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
if(OPX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${OPX_CCACHE}")
endif()
