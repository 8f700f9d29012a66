#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the planted graph for Orthoplex and its rivals, then runs mini_time_to_accuracy.py.
# Usage: mini_time_to_accuracy.sh BUILD_FOLDER RIVALS_FOLDER SCRATCH_FOLDER [flags of mini_time_to_accuracy.py]
set -euo pipefail
build=$1 rivals=$2 work=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
"$here/../planted200k.sh" "$build/bin/orthoplex" "$work" csv
[ -e "$work/planted200k.npz" ] || "$rivals/dgl-env/bin/python" "$here/mini_graph.py" "$work/planted200k" "$work/planted200k.npz"
exec python3 "$here/mini_time_to_accuracy.py" --orthoplex "$build/bin/orthoplex" --envs "$rivals" --folder "$work" "$@"
