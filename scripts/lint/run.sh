#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# All checks that need no build: layers, text, format. `--fix` formats in place; `--tidy BUILD` runs clang-tidy too.
set -euo pipefail
cd "$(dirname "$0")/../.."

fix=0
tidy=""
while [ $# -gt 0 ]; do
  case "$1" in
    --fix) fix=1 ;;
    --tidy) tidy=${2:?--tidy takes a build folder with compile_commands.json}; shift ;;
    *) echo "usage: scripts/lint/run.sh [--fix] [--tidy BUILD]" >&2; exit 2 ;;
  esac
  shift
done

status=0
python3 scripts/lint/check_layers.py || status=1
python3 scripts/lint/check_text.py || status=1
if command -v clang-format >/dev/null; then
  mapfile -t files < <(git ls-files '*.hpp' '*.cpp' '*.cuh' '*.cu')
  if [ "$fix" = 1 ]; then
    clang-format -i "${files[@]}"
  elif clang-format --dry-run -Werror "${files[@]}" 2>/tmp/opx-format.$$; then
    echo "format: ${#files[@]} files are clean"
  else
    grep -oE '^[A-Za-z_/.-]+\.[a-z]+:[0-9]+:[0-9]+: (error|warning)' /tmp/opx-format.$$ | cut -d: -f1 | sort | uniq -c | head -n 40
    echo "format: run scripts/lint/run.sh --fix"
    status=1
  fi
  rm -f /tmp/opx-format.$$
else
  echo "format: not checked, clang-format is not installed"
fi
if [ -n "$tidy" ]; then
  git ls-files 'src/*.cpp' | xargs -P 2 -n 4 clang-tidy -p "$tidy" --quiet || status=1
fi
exit $status
