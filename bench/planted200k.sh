#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# The planted graph of the mini-batch figures: 200,000 vertices, 16 classes, mean degree 50 (power law, median 28), 3 of
# 10 edges within a class, features that alone do not give the class away, 10 % of the vertices in the training split.
# Full graph: a 2-layer GCN or SAGE of width 64 gives about 90 % test accuracy. Made once; nothing is done where the file is there. METIS parts of about 256
# vertices are stored for sampler cluster.
#
# Usage: planted200k.sh ORTHOPLEX FOLDER     writes FOLDER/planted200k.opx
#        planted200k.sh ORTHOPLEX FOLDER csv also FOLDER/planted200k/ (csv as OGB publishes it, for the rivals)
set -euo pipefail
orthoplex=$1 folder=$2 form=${3:-opx}
graph=(partition --vertices 200000 --classes 16 --average-degree 50 --homophily 0.3 --feature-dim 64 --signal 2.0
  --train 0.1 --valid 0.2 --seed 1)
mkdir -p "$folder"
[ -e "$folder/planted200k.opx" ] || "$orthoplex" -q generate "${graph[@]}" --parts auto -o "$folder/planted200k.opx"
if [ "$form" = csv ] && [ ! -e "$folder/planted200k/raw" ]; then
  "$orthoplex" -q generate "${graph[@]}" --format ogbn-csv -o "$folder/planted200k"
fi
