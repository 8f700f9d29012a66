#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# The larger claims, each as the commands that show it: scripts/acceptance.sh NAME...  (no NAME: the list).
# Environment: OPX_TEST_DATA  folder of the public graphs (accuracy)
#              OPX_RIVALS     folder made by bench/rivals/setup_rivals.sh (spmm, epoch; without it our side alone)
#              OPX_WORK       scratch folder [build/acceptance]; generated graphs are kept there
#              OPX_THREADS    threads of one rank [all cores]
#              OPX_WRAP       a command that starts each step, such as "nice -n 19"
set -euo pipefail
cd "$(dirname "$0")/.."
orthoplex=build/bin/orthoplex
work=${OPX_WORK:-build/acceptance}
threads=${OPX_THREADS:-$(nproc)}

say() { printf '\n== %s\n' "$*"; }
# shellcheck disable=SC2086
run() { printf '+ %s\n' "$*"; ${OPX_WRAP:-} "$@"; }
built() {
  [ -x "$orthoplex" ] || { echo "acceptance: build first (scripts/test.sh)" >&2; exit 1; }
  mkdir -p "$work"
}
graph() {  # name, arguments of generate: made once
  [ -e "$work/$1.opx" ] || run "$orthoplex" -q generate "${@:2}" -o "$work/$1.opx"
}
rmat20() { graph rmat20 rmat --scale 20 --edge-factor 16 --feature-dim 128 --classes 47; }
data() {
  [ -n "${OPX_TEST_DATA:-}" ] || { echo "acceptance: set OPX_TEST_DATA to the folder of the public graphs" >&2; exit 2; }
}
prepared() {  # dataset of OPX_TEST_DATA: prepared once, with the parts that sampler cluster takes (five a batch at ratio 0.1)
  if [ -e "$work/$1.opx" ] && ! "$orthoplex" info "$work/$1.opx" | grep -q '^parts  *none'; then return; fi
  run "$orthoplex" -q prepare "$OPX_TEST_DATA/$1" --add-inverse-edge --parts 50 -o "$work/$1.opx"
}

demo() { scripts/demo.sh; }

# Mean and standard error of a test metric at the last epoch over seeds 0, 1, ...
seeds() {  # label, least, metric, number of seeds, dataset, flags
  local label=$1 least=$2 metric=$3 count=$4 dataset=$5 seed
  shift 5
  for seed in $(seq 0 $((count - 1))); do
    "$orthoplex" -q --json train "$work/$dataset.opx" --run-dir "$work/runs/$label-$seed" --seed "$seed" --threads "$threads" "$@"
    rm -rf "$work/runs/$label-$seed"
  done | python3 -c '
import json, math, statistics, sys
label, least, metric = sys.argv[1], float(sys.argv[2]), sys.argv[3]
decoder, text, values, rest = json.JSONDecoder(), sys.stdin.read(), [], {}
while text.strip():
    result, end = decoder.raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    test = result["last"]["test"]
    values.append(test[metric])
    for name, value in test.items():
        rest.setdefault(name, []).append(value)
error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0
mean = statistics.mean(values)
others = "  ".join("%s %.4f" % (name, statistics.mean(v)) for name, v in rest.items() if name != metric)
print("%-22s %s %.4f +- %.4f over %d seeds (at least %.3f: %s)  %s" % (label, metric, mean, error, len(values), least, "yes" if mean >= least else "NO", others))
' "$label" "$least" "$metric"
}
accuracy() {
  built; data
  for name in cora cora-npz citeseer amazon-photo blogcatalog; do prepared "$name"; done
  local plain=(--layers 2 --dropout 0.5 --optimizer adam --lr 0.01 --feature-norm row --eval-every 0
    --first-aggregation recomputed) # dropout on the features themselves, as bench/rivals/accuracy_torch.py has it
  local planetoid=("${plain[@]}" --hidden 16 --weight-decay 5e-4 --weight-decay-on first --epochs 200)
  seeds cora 0.81 accuracy 10 cora "${planetoid[@]}"
  seeds cora-npz 0.81 accuracy 10 cora-npz "${planetoid[@]}"
  seeds citeseer 0.70 accuracy 10 citeseer "${planetoid[@]}"
  seeds amazon-photo-gcn 0.90 accuracy 5 amazon-photo "${plain[@]}" --hidden 64 --epochs 300
  seeds amazon-photo-sage 0.90 accuracy 5 amazon-photo "${plain[@]}" --hidden 64 --epochs 300 --model sage
  seeds blogcatalog 0.33 micro_f1_topk 3 blogcatalog --layers 2 --hidden 128 --features learned --feature-dim 128 \
    --dropout 0.5 --lr 0.01 --epochs 200 --eval-every 0
}

one_answer() {
  built
  run ctest --test-dir build --output-on-failure -L 'dist|golden|mpi'
  run ctest --test-dir build --output-on-failure -R 'integration_(resume|ranks)'
}

balance() {
  built
  graph road400 road --side 400
  graph rmat17 rmat --scale 17 --edge-factor 8
  run "$orthoplex" info "$work/road400.opx" --tiles 8
  run "$orthoplex" info "$work/rmat17.opx" --tiles 8
}

bytes() {
  built
  rmat20
  run ctest --test-dir build --output-on-failure -R 'dist'
  for grid in 2x2x2 4x4x4; do run "$orthoplex" info "$work/rmat20.opx" --grid "$grid" --schemes; done
}

spmm() {
  built
  rmat20
  graph road1000 road --side 1000 --feature-dim 1
  local cols graph
  for cols in 128 47; do run "$orthoplex" bench spmm "$work/rmat20.opx" --cols "$cols" --threads "$threads"; done
  for order in natural random rcm metis; do
    graph "road1000-$order" road --side 1000 --order "$order"
    run "$orthoplex" bench spmm "$work/road1000-$order.opx" --cols 128 --threads "$threads"
  done
  if [ -n "${OPX_RIVALS:-}" ]; then
    for graph in rmat power-law; do
      run python3 bench/rivals/spmm_rivals.py --bench build/bench/spmm_bench --envs "$OPX_RIVALS" --graph "$graph" --scale 20 \
        --cols 128,47
    done
  fi
}

epoch() {  # OPX_TURNS [2] of OPX_EPOCHS [3] each; the rivals' graph is kept in $work/epoch
  built
  rmat20
  run "$orthoplex" bench epoch "$work/rmat20.opx" --layers 3 --hidden 128 --threads "$threads"
  if [ -n "${OPX_RIVALS:-}" ]; then
    mkdir -p "$work/epoch"
    THREADS=$threads EPOCHS=${OPX_EPOCHS:-3} WORK=$work/epoch run bench/rivals/epoch.sh build "$OPX_RIVALS" 20 "${OPX_TURNS:-2}"
  fi
}

size() {
  built
  graph rmat22 rmat --scale 22 --edge-factor 16 --feature-dim 128 --classes 47
  for ranks in 1 4; do
    run /usr/bin/env python3 scripts/peak_memory.py "$orthoplex" -q train "$work/rmat22.opx" --run-dir "$work/runs/size-$ranks" \
      --layers 3 --hidden 128 --epochs 2 --eval-every 0 --ranks "$ranks"
    rm -rf "$work/runs/size-$ranks"
  done
}

prepare() {  # PYTHON: an interpreter with pandas
  built
  run bench/prepare_vs_pandas.sh build "$work/prepare" "${OPX_SCALE:-21}" "${OPX_EDGE_FACTOR:-48}" "${OPX_REPEATS:-2}"
}

faults() {
  built
  run ctest --test-dir build --output-on-failure -R 'integration_(usage|faults|ranks|resume)'
}

sanitizers() {
  export LSAN_OPTIONS=suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0
  local preset
  export ASAN_OPTIONS=allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1
  for preset in asan tsan; do
    run cmake --preset "$preset"
    run ninja -C "build-$preset"
    run ctest --test-dir "build-$preset" --output-on-failure -L 'unit|dist' -LE 'slow|mpi'
  done
}

fuzz() {  # OPX_FUZZ_SECONDS [180] for each harness; inputs that fail stay in $work/fuzz/found
  if ! command -v clang++ >/dev/null || ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer,address -o /dev/null - 2>/dev/null; then
    scripts/install_deps.sh --fuzz || { echo "fuzz: skipped, it needs clang with libFuzzer"; return 0; }
  fi
  run cmake --preset fuzz
  run ninja -C build-fuzz fuzz
  mkdir -p "$work/fuzz/found"
  run python3 tests/fuzz/make_corpus.py "$work/fuzz/seeds"
  local target name
  for target in build-fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "$work/fuzz/corpus/$name"
    run "$target" -max_total_time="${OPX_FUZZ_SECONDS:-180}" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
      -artifact_prefix="$work/fuzz/found/$name-" "$work/fuzz/corpus/$name" "$work/fuzz/seeds/${name#fuzz_}"
  done
}

# ---- mini-batch training ----
planted() { run bench/planted200k.sh "$orthoplex" "$work" "$@"; }

# Building a batch beside its step, and the share of an epoch that waits for batches.
sampling_cost() {
  built
  graph rmat22 rmat --scale 22 --edge-factor 16 --feature-dim 128 --classes 47
  run build/bench/sampling_bench --scale 22 --ratio 0.05 --sampler stratified,uniform --threads 1 --repeats 10
  local depth
  for depth in 0 1; do
    run "$orthoplex" -q train "$work/rmat22.opx" --run-dir "$work/runs/cost-$depth" --mode mini --batch-ratio 0.05 --estimator unbiased --layers 3 \
      --hidden 128 --epochs 2 --eval-every 0 --threads 1 --pipeline-depth "$depth"
    python3 bench/mini_scaling.py --cost "$work/runs/cost-$depth"
    rm -rf "$work/runs/cost-$depth"
  done
}

mini_accuracy() {
  built; data
  for name in cora citeseer amazon-photo; do prepared "$name"; done
  planted
  local table=(run bench/mini_accuracy.py --orthoplex "$orthoplex" --folder "$work" --threads "$threads")
  "${table[@]}" --graph cora,citeseer,amazon-photo --ratio 0.1
  "${table[@]}" --graph cora,citeseer --ratio 0.1 --sampler stratified,cluster --estimator unbiased --without-full --seeds 4 --extra="--accumulate 5"
  "${table[@]}" --graph planted200k --ratio 0.1,0.02
  if [ -n "${OPX_RIVALS:-}" ]; then
    LD_LIBRARY_PATH=${CUDA_HOME:-/usr/local/cuda}/lib64:${LD_LIBRARY_PATH:-} CUDA_VISIBLE_DEVICES='' \
      run "$OPX_RIVALS/torch-env/bin/python" bench/rivals/mini_torch.py --data "$OPX_TEST_DATA" --ratio 0.1 > "$work/mini_torch.json"
  fi
}

mini_rivals() {
  built
  [ -n "${OPX_RIVALS:-}" ] || { echo "acceptance: set OPX_RIVALS (bench/rivals/setup_rivals.sh)" >&2; exit 2; }
  run bench/rivals/sampling_rivals.sh build "$OPX_RIVALS" 20 "$work/sampling-rmat20"
  run bench/rivals/mini_time_to_accuracy.sh build "$OPX_RIVALS" "$work"
}

mini_one_answer() {
  built
  run ctest --test-dir build --output-on-failure -R 'sampl|batch|mini|pipeline'
  say "mini-one-answer: how far the steps are from the dense reference, and the grids from one rank"
  build/tests/dist/dist_mini --gtest_filter='*AgainstDense*:*MiniOneAnswer*' | grep -E 'worst|PASSED|FAILED'
}

mini_scaling() {
  built
  run bench/mini_scaling.py --orthoplex "$orthoplex" --folder "$work"
}

names=(demo accuracy one-answer balance bytes spmm epoch size prepare faults sanitizers fuzz
  sampling-cost mini-accuracy mini-rivals mini-one-answer mini-scaling)
if [ $# -eq 0 ]; then
  echo "usage: scripts/acceptance.sh NAME...   names: ${names[*]}"
  exit 2
fi
for name in "$@"; do
  case " ${names[*]} " in
    *" $name "*) say "$name"; "${name//-/_}" ;;
    *) echo "acceptance: no item '$name'; there are: ${names[*]}" >&2; exit 2 ;;
  esac
done
