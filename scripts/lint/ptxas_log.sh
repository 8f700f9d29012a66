#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Compiler launcher of builds with OPX_CUDA_RESOURCE_USAGE: what ptxas says about an object is kept beside it, as
# OBJECT.ptxas, for scripts/lint/check_ptxas.py; anything else that the compiler says is passed on.
set -uo pipefail
object=""
previous=""
for argument in "$@"; do
  if [ "$previous" = "-o" ]; then object=$argument; fi
  previous=$argument
done
if [ -z "$object" ]; then exec "$@"; fi
"$@" 2>"$object.stderr"
code=$?
grep -E '^(ptxas info| +[0-9]+ bytes stack)' "$object.stderr" >"$object.ptxas" || true
grep -vE '^(ptxas info| +[0-9]+ bytes stack)' "$object.stderr" >&2 || true
rm -f "$object.stderr"
exit $code
