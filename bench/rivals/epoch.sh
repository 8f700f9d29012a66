#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Full-graph epoch of a 3-layer GCN (128 features, hidden 128, 47 classes, dropout 0.5 on every layer's input, Adam) in
# Orthoplex, DGL and PyG on the same graph, turn by turn in one run. Each turn prints one JSON object a library; the
# table of medians over the turns comes last.
# Usage: epoch.sh BUILD_FOLDER RIVALS_FOLDER [SCALE [TURNS]]      RIVALS_FOLDER is what setup_rivals.sh made; "system":
#        python3 with what is installed there (a library that is not is left out)
# Environment: THREADS (2), GRAPH (rmat), EPOCHS a turn (3), ORTHOPLEX_PREPARE (flags of prepare), WORK (scratch folder),
#              WITHOUT (e.g. "pyg"), HIDDEN (128), DEVICE (cpu; cuda: all on GPU 0), ORTHOPLEX_FLAGS (of bench epoch)
set -euo pipefail
build=$1 rivals=$2 scale=${3:-16} turns=${4:-2}
threads=${THREADS:-2} graph=${GRAPH:-rmat} epochs=${EPOCHS:-3} device=${DEVICE:-cpu} hidden=${HIDDEN:-128}
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=${CUDA_HOME:-/usr/local/cuda}/lib64:${LD_LIBRARY_PATH:-}
export OMP_NUM_THREADS=$threads MKL_NUM_THREADS=$threads
[ "$device" = cuda ] || export CUDA_VISIBLE_DEVICES=''
python() {  # environment, arguments
  local env=$1; shift
  if [ "$rivals" = system ]; then python3 "$@"; else "$rivals/$env/bin/python" "$@"; fi
}
orthoplex=$(find "$build" -name orthoplex -type f -perm -u+x -print -quit)
[ -n "$orthoplex" ] || { echo "no orthoplex below $build" >&2; exit 2; }

if [ ! -e "$work/graph.opx" ]; then
  echo "== $graph, scale $scale, into $work" >&2
  "$build/bench/spmm_bench" --graph "$graph" --scale "$scale" --export "$work" --cols 1 --repeats 1 >&2
  python torch-env "$here/make_npz.py" "$work" "$work/graph.npz"
  # shellcheck disable=SC2086
  "$orthoplex" prepare "$work/graph.npz" --layout heterophilous -o "$work/graph.opx" ${ORTHOPLEX_PREPARE:-} >&2
  rm -f "$work/graph.npz"
fi

: > "$work/turns.jsonl"
for turn in $(seq "$turns"); do
  echo "== turn $turn of $turns" >&2
  # shellcheck disable=SC2086
  "$orthoplex" bench epoch "$work/graph.opx" --layers 3 --hidden "$hidden" --dropout 0.5 --threads "$threads" \
    --device "$device" --repeats "$epochs" --json ${ORTHOPLEX_FLAGS:-} | tr '\n' ' ' | tee -a "$work/turns.jsonl"; echo | tee -a "$work/turns.jsonl"
  for library in dgl pyg; do
    case " ${WITHOUT:-} " in *" $library "*) continue ;; esac
    env=torch-env; [ "$library" = dgl ] && env=dgl-env
    if [ "$rivals" = system ] && ! python3 -c "import ${library/pyg/torch_geometric}" 2>/dev/null; then
      [ "$turn" != 1 ] || echo "$library is not installed" >&2
      continue
    fi
    python $env "$here/epoch_$library.py" "$work" --threads "$threads" --epochs "$epochs" --hidden "$hidden" \
      --device "$device" 2>/dev/null | tee -a "$work/turns.jsonl"
    # On a GPU PyTorch's own sparse product may be the faster of PyG's two ways.
    if [ "$library $device" = "pyg cuda" ]; then
      python $env "$here/epoch_pyg.py" "$work" --threads "$threads" --epochs "$epochs" --hidden "$hidden" \
        --device "$device" --torch-sparse 2>/dev/null | tee -a "$work/turns.jsonl" || echo "pyg: torch.sparse failed" >&2
    fi
  done
done
python torch-env "$here/epoch_table.py" "$work/turns.jsonl"
