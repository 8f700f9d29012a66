#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Preparing a csv.gz of edges, to the finished store, beside pandas.read_csv of the same file in the same run.
#   bench/prepare_vs_pandas.sh BUILD_FOLDER WORK_FOLDER [SCALE EDGE_FACTOR REPEATS]
# 100 M edges: SCALE 21, EDGE_FACTOR 48 (the default). PYTHON names an interpreter with pandas. Alternates the two, so
# that a busy machine slows both; peak RSS must stay within 1.25 times --memory.
set -euo pipefail
build=$1 work=$2 scale=${3:-21} factor=${4:-48} repeats=${5:-3}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
data=$work/rmat-$scale-$factor
mkdir -p "$work"
[[ -e $data/raw/num-node-list.csv.gz ]] || "$build/bench/rmat_csv" "$data" "$scale" "$factor"
edges=$((factor << scale))
for _ in $(seq "$repeats"); do
  "$python" "$here/prepare_vs_pandas.py" "$data/raw/edge.csv.gz"
  rm -f "$work/out.opx"
  /usr/bin/time -f '%e %M' -o "$work/time" \
    "$build/bin/orthoplex" prepare "$data" --output "$work/out.opx" --add-inverse-edge --memory 2GiB > "$work/log"
  read -r seconds kib < "$work/time"
  awk -v n="$edges" -v s="$seconds" -v k="$kib" 'BEGIN {
    printf "{\"what\": \"orthoplex prepare\", \"edges\": %d, \"seconds\": %.2f, \"edges_per_second\": %d, \"peak_rss_mib\": %d}\n", n, s, n / s, k / 1024
    exit k > 2560 * 1024 }' || { echo "peak RSS is above 2.5 GiB" >&2; exit 1; }
done
