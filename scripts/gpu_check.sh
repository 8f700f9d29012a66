#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# What this machine's GPU says: builds with nvcc and what else is there, runs the GPU tests, compute-sanitizer, training on
# the GPU beside the CPU, and the benchmarks, and writes one report. Downloads nothing. Exit: 0 all good, 1 something
# failed, 2 it cannot be built here. OPX_RIVALS: a folder of bench/rivals/setup_rivals.sh; else PyG and DGL are timed where
# python3 has them.
#
#   scripts/gpu_check.sh [--out FILE] [--build FOLDER] [--jobs N] [--quick] [--steps LIST]
#
# --steps: of build,tests,sanitize,train,bench, those that are done; the others need an earlier call's build, whose report is gone
# unless --out differs. --quick: no bench.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
build=build-cuda out="" jobs=$(nproc) steps=build,tests,sanitize,train,bench
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=${2:?--out takes a file}; shift ;;
    --build) build=${2:?--build takes a folder}; shift ;;
    --jobs) jobs=${2:?--jobs takes a number}; shift ;;
    --quick) steps=build,tests,sanitize,train ;;
    --steps) steps=${2:?--steps takes a list}; shift ;;
    *) echo "usage: scripts/gpu_check.sh [--out FILE] [--build FOLDER] [--jobs N] [--quick] [--steps LIST]" >&2; exit 2 ;;
  esac
  shift
done
for step in ${steps//,/ }; do
  case $step in build | tests | sanitize | train | bench) ;; *) echo "gpu_check: no step '$step'; there are build,tests,sanitize,train,bench" >&2; exit 2 ;; esac
done
wants() { case ",$steps," in *",$1,"*) ;; *) return 1 ;; esac; }
mkdir -p "$build"
out=${out:-$build/gpu_report.txt}
log=$build/gpu_check.log
: >"$out"; : >"$log"
failed=0
say() { printf '%s\n' "$*" | tee -a "$out"; }
head_line() { say ""; say "== $* ($SECONDS s)"; }
verdict() {  # good|FAILED|skipped, what
  say "$(printf '%-8s %s' "$1" "$2")"
  if [ "$1" = FAILED ]; then failed=1; fi
}
have_pc() { pkg-config --exists "$1" 2>/dev/null; }
have_header() { printf '#include <%s>\n' "$1" | "${CXX:-c++}" -std=c++20 -E -x c++ - >/dev/null 2>&1; }

say "Orthoplex on a GPU: $(git rev-parse --short HEAD 2>/dev/null || echo 'not a git checkout'), $(date -u +%Y-%m-%dT%H:%M:%SZ)"
nvcc=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null)
if [ -z "$nvcc" ]; then say "cannot build: nvcc is neither on PATH nor in CUDA_HOME nor in /usr/local/cuda"; exit 2; fi
say "nvcc: $("$nvcc" --version | grep release | sed 's/.*release //')"
gpus=$(nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader 2>/dev/null)
say "GPUs: ${gpus:-none (nvidia-smi says nothing)}"
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | tr -d . | paste -sd';')

work=$build/gpu_check kernels_only=0
mkdir -p "$work"

build_it() {
  head_line "configure"
  options=(-DCMAKE_BUILD_TYPE=Release -DOPX_WITH_CUDA=ON -DOPX_CUDA_ARCHITECTURES="${arch:-90}" -DOPX_CUDA_RESOURCE_USAGE=ON)
  left_out=""
  leave() { left_out="$left_out $1"; options+=("$2"); }
  for header in fmt/core.h hwy/highway.h gtest/gtest.h; do
    if ! have_header "$header"; then say "cannot build: <$header> is missing"; exit 2; fi
  done
  have_header mpi.h || command -v mpicc >/dev/null || leave MPI -DOPX_WITH_MPI=OFF
  if ! have_header oneapi/dnnl/dnnl.hpp && ! have_header dnnl.hpp; then
    leave oneDNN -DOPX_WITH_ONEDNN=OFF
    if have_header cblas.h; then options+=(-DOPX_WITH_CBLAS=ON); else leave CBLAS -DOPX_WITH_CBLAS=OFF; fi
  fi
  have_header metis.h || leave METIS -DOPX_WITH_METIS=OFF
  have_header isa-l/igzip_lib.h || leave ISA-L -DOPX_WITH_ISAL=OFF
  missing=""
  for header in nlohmann/json.hpp zlib.h xxhash.h zip.h toml++/toml.h CLI/CLI.hpp fast_float/fast_float.h Random123/philox.h; do
    have_header "$header" || missing="$missing $header"
  done
  have_header hdf5.h || have_pc hdf5 || have_pc hdf5-serial || command -v h5cc >/dev/null || missing="$missing hdf5.h"
  case "$left_out" in *CBLAS*) missing="$missing a-BLAS" ;; esac
  kernels_only=0
  if [ -n "$missing" ]; then
    kernels_only=1
    leave "everything-but-the-kernels(missing:$missing)" -DOPX_KERNELS_ONLY=ON
  fi
  say "left out:${left_out:- nothing}"
  generator=(); if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  if ! cmake -S . -B "$build" "${generator[@]}" -DCMAKE_CUDA_COMPILER="$nvcc" "${options[@]}" >>"$log" 2>&1; then
    say "cannot configure; the end of $log:"; tail -n 20 "$log" | tee -a "$out"; exit 2
  fi

  head_line "build"
  targets=(gpu_tests); if [ $kernels_only = 0 ]; then targets+=(orthoplex); fi
  if ! cmake --build "$build" -j "$jobs" --target "${targets[@]}" >>"$log" 2>&1; then
    say "cannot build; the end of $log:"; grep -E 'error|FAILED' "$log" | tail -n 30 | tee -a "$out"; exit 2
  fi
  verdict good "everything compiles and links: ${targets[*]}"
  if command -v python3 >/dev/null; then
    if python3 scripts/lint/check_ptxas.py "$build" >"$build/ptxas.txt"; then verdict good "$(tail -n 1 "$build/ptxas.txt")"
    else verdict FAILED "$(tail -n 1 "$build/ptxas.txt")"; grep '<-' "$build/ptxas.txt" | tee -a "$out"; fi
  fi
}

run_tests() {
  head_line "GPU tests"
  if ! ctest --test-dir "$build" -L gpu --output-on-failure >"$build/gpu_tests.txt" 2>&1; then
    verdict FAILED "ctest -L gpu (see $build/gpu_tests.txt)"
  elif grep -qE '\(Skipped\)|No tests were found' "$build/gpu_tests.txt"; then
    verdict FAILED "the GPU tests did not run: is the driver older than the CUDA runtime? (see $build/gpu_tests.txt)"
  else verdict good "ctest -L gpu"; fi
  grep -E '^ *[0-9]+/[0-9]+ Test|tests passed|\[  FAILED  \]|Failure' "$build/gpu_tests.txt" | tee -a "$out"
}

sanitize() {
  head_line "compute-sanitizer"
  scripts/gpu_sanitize.sh "$build" 2>&1 | tee -a "$out"
  case ${PIPESTATUS[0]} in 0) ;; 2) verdict skipped "compute-sanitizer" ;; *) failed=1 ;; esac
}

train_it() {
  head_line "training: the same losses as on the CPU, twice the same bits, any number of ranks"
  local opx=$build/bin/orthoplex
  rm -rf "$work"; mkdir -p "$work"
  "$opx" doctor --no-check 2>&1 | tee -a "$out"
  "$opx" generate partition -o "$work/g.opx" --vertices 20000 --classes 8 --seed 1 >>"$log" 2>&1
  train() {  # name, flags
    local name=$1; shift
    timeout 600 "$opx" train "$work/g.opx" --run-dir "$work/$name" --layers 3 --hidden 64 --epochs 20 --eval-every 0 "$@" \
      >"$work/$name.txt" 2>&1
  }
  same() {  # what, tolerance, a, b
    if python3 - "$2" "$work/$3/metrics.jsonl" "$work/$4/metrics.jsonl" 2>>"$log" <<'PY'
import json, sys
def losses(path):
    return [r["loss"] for r in map(json.loads, open(path)) if "loss" in r]
tolerance, a, b = float(sys.argv[1]), losses(sys.argv[2]), losses(sys.argv[3])
good = len(a) == len(b) > 0 and all(abs(x - y) <= tolerance * abs(x) for x, y in zip(a, b))
sys.exit(0 if good else 1)
PY
    then verdict good "$1"; else verdict FAILED "$1"; fi
  }
  train cpu --device cpu
  variant() {  # what, tolerance, name, the run it is compared with, flags
    local what=$1 tolerance=$2 name=$3 other=$4; shift 4
    if train "$name" --device cuda "$@"; then same "$what" "$tolerance" "$other" "$name"
    else verdict FAILED "$what: $(tail -n 1 "$work/$name.txt")"; fi
  }
  if train gpu --device cuda; then
    same "losses of 20 epochs equal the CPU's within 1e-3" 1e-3 cpu gpu
    variant "twice the same bits" 0 again gpu
    variant "--cuda-graph on: the same bits" 0 graph gpu --cuda-graph on
    variant "--features-on host: the same bits" 0 host_features gpu --features-on host
    for ranks in 2 4 8; do
      if train "gpu$ranks" --device cuda --ranks $ranks; then
        same "$ranks ranks equal one within 1e-4" 1e-4 gpu "gpu$ranks"
      else verdict FAILED "$ranks ranks: $(tail -n 1 "$work/gpu$ranks.txt")"; fi
    done
  else verdict FAILED "train --device cuda: $(tail -n 1 "$work/gpu.txt")"; fi
  mini=(--mode mini --batch-ratio 0.1)
  train cpu_mini --device cpu "${mini[@]}"
  if train gpu_mini --device cuda "${mini[@]}"; then
    same "mode mini: losses of 20 epochs equal the CPU's within 1e-3" 1e-3 cpu_mini gpu_mini
    variant "mode mini: twice the same bits" 0 mini_again gpu_mini "${mini[@]}"
    variant "mode mini: batches cut on the CPU, within 1e-5" 1e-5 mini_cpu_cut gpu_mini "${mini[@]}" --build-batches cpu
    variant "mode mini: --cuda-graph on, within 1e-5" 1e-5 mini_graph gpu_mini "${mini[@]}" --cuda-graph on
    variant "mode mini: --features-on host: the same bits" 0 mini_host_features gpu_mini "${mini[@]}" --features-on host
    variant "mode mini: 2 ranks equal one within 1e-4" 1e-4 mini2 gpu_mini "${mini[@]}" --ranks 2
  else verdict FAILED "train --device cuda --mode mini: $(tail -n 1 "$work/gpu_mini.txt")"; fi
}

bench_it() {
  head_line "benchmarks"
  bench=$build/bench/spmm_gpu_bench
  for graph in "--graph rmat --scale 18" "--graph rmat --scale 22" "--graph power-law"; do
    # shellcheck disable=SC2086
    if timeout 1200 "$bench" $graph >"$build/bench.txt" 2>&1; then verdict good "spmm_gpu_bench $graph"
    else verdict FAILED "spmm_gpu_bench $graph"; fi
    tee -a "$out" <"$build/bench.txt"
  done
  if [ "$kernels_only" = 0 ]; then
    rivals=${OPX_RIVALS:-system}
    if [ "$rivals" = system ] && ! python3 -c 'import numpy' 2>/dev/null; then verdict skipped "epochs: python3 has no numpy"
    elif ! cmake --build "$build" -j "$jobs" --target spmm_bench >>"$log" 2>&1; then verdict FAILED "epochs: spmm_bench"
    else
      for hidden in 128 256; do
        say "epoch of a 3-layer GCN, hidden $hidden, R-MAT 20; rivals: $rivals"
        if DEVICE=cuda HIDDEN=$hidden EPOCHS=10 THREADS=$jobs WORK=$work timeout 1200 bench/rivals/epoch.sh "$build" "$rivals" 20 2 \
          >"$build/epoch.txt" 2>>"$log"; then verdict good "epochs at hidden $hidden"
        else verdict FAILED "epochs at hidden $hidden (see $log)"; fi
        grep -v '^{' "$build/epoch.txt" | tee -a "$out"
      done
    fi
  fi
}

if wants build; then build_it
elif [ ! -f "$build/CMakeCache.txt" ]; then say "cannot run: $build holds no build (--steps build)"; exit 2
else kernels_only=$(grep -c '^OPX_KERNELS_ONLY:[^=]*=ON' "$build/CMakeCache.txt"); fi
if [ -z "$gpus" ]; then say ""; say "no GPU: nothing was run"; exit $failed; fi
if wants tests; then run_tests; fi
if wants sanitize; then sanitize; fi
if wants train && [ "$kernels_only" = 0 ]; then train_it; fi
if wants bench; then bench_it; fi

head_line "result"
if [ $failed = 0 ]; then say "all good"; else say "something FAILED"; fi
say "report: $out"
exit $failed
