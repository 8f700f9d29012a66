#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# compute-sanitizer's four tools over the quick GPU tests of a build with CUDA: `ninja gpu_sanitize`, and part of
# gpu_check.sh. One line a tool and test, good|FAILED|skipped. Exit: 0 all good, 1 something was found, 2 it cannot run.
#
#   scripts/gpu_sanitize.sh BUILD
set -uo pipefail
build=${1:?scripts/gpu_sanitize.sh takes the folder of a build with CUDA}
if ! grep -qs '^OPX_WITH_CUDA:[^=]*=ON' "$build/CMakeCache.txt"; then
  echo "cannot run: $build is no build with CUDA (-DOPX_WITH_CUDA=ON)" >&2; exit 2
fi
nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
sanitizer=$(command -v compute-sanitizer || ls "$(dirname "${nvcc:-/}")/compute-sanitizer" /usr/local/cuda/bin/compute-sanitizer 2>/dev/null | head -n 1)
if [ -z "$sanitizer" ]; then echo "cannot run: compute-sanitizer is neither on PATH nor beside nvcc" >&2; exit 2; fi
if ! nvidia-smi -L >/dev/null 2>&1; then echo "cannot run: no GPU on this machine (nvidia-smi)" >&2; exit 2; fi
failed=0
for tool in memcheck racecheck synccheck initcheck; do
  for test in "$build"/tests/gpu/*/gpu_*; do
    if [ ! -x "$test" ] || [ ! -f "$test" ]; then continue; fi
    name="$tool $(basename "$test")"
    timeout 300 "$sanitizer" --tool $tool --error-exitcode 9 "$test" --gtest_filter='-*TooMuchMemory*:*LaunchShapes*' \
      >"$build/sanitizer.txt" 2>&1
    code=$?
    if [ $code = 0 ]; then echo "good     $name"
    elif [ $code = 124 ]; then echo "skipped  $name: more than 300 s"
    else
      failed=1; echo "FAILED   $name"
      grep -E '=====|FAILED' "$build/sanitizer.txt" | head -n 12
    fi
  done
done
exit $failed
