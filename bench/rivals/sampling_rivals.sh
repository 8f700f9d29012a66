#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Exports R-MAT (edge factor 16, symmetrised) for Orthoplex and its rivals, then runs sampling_rivals.py.
# Usage: sampling_rivals.sh BUILD_FOLDER RIVALS_FOLDER SCALE SCRATCH_FOLDER [flags of sampling_rivals.py]
set -euo pipefail
build=$1 rivals=$2 scale=$3 work=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"
[ -e "$work/indices.npy" ] || "$build/bench/spmm_bench" --graph rmat --scale "$scale" --export "$work" --cols 1 --repeats 1 >&2
exec python3 "$here/sampling_rivals.py" --bench "$build/bench/sampling_bench" --envs "$rivals" --folder "$work" "$@"
