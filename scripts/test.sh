#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds into build/, runs every test, and ends with ctest's closing line.
# Arguments go to ctest (for example: scripts/test.sh -L unit). OPX_JOBS sets the parallelism.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${OPX_JOBS:-$(nproc)}

scripts/install_deps.sh
echo "test: configuring and building into build/"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release >build-configure.log 2>&1 ||
  { cat build-configure.log; rm -f build-configure.log; exit 1; }
rm -f build-configure.log
ninja -C build -j "$jobs"

log=build/test.log
status=0
ctest --test-dir build --output-on-failure -j "$jobs" "$@" 2>&1 | tee "$log" || status=$?
echo
grep -E 'tests passed,|No tests were found' "$log" | tail -n 1
exit $status
