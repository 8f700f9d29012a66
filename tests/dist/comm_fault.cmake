# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# cmake -D COMMAND=<list> -D CODE=<exit code, or nonzero> -D MESSAGE=<regex, or empty> -P comm_fault.cmake
# Runs a job that must fail: with that exit code and exactly one line "MESSAGE ..." that matches.
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out TIMEOUT 40)
string(REPLACE ";" "," out "${out}")
string(REGEX MATCHALL "MESSAGE [^\n]*" lines "${out}")
list(LENGTH lines count)
if(CODE STREQUAL "nonzero")
  if(code STREQUAL "0")
    message(FATAL_ERROR "exit code 0\n${out}")
  endif()
elseif(NOT code STREQUAL CODE)
  message(FATAL_ERROR "exit code ${code}, not ${CODE}\n${out}")
endif()
if(MESSAGE AND (NOT count EQUAL 1 OR NOT lines MATCHES "${MESSAGE}"))
  message(FATAL_ERROR "${count} messages, or not '${MESSAGE}'\n${out}")
endif()
