#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the two virtual environments that the comparisons need, in the folder given (default ./rivals):
#   torch-env   PyTorch, PyTorch Geometric, torch-scatter and torch-sparse (built from source: about 12 minutes), pandas
#   dgl-env     DGL 2.1.0 with the PyTorch 2.2.1 that it wants
# An environment that already imports is left alone, so the script may be started again after a failure; one that fails
# does not keep the other from being made, and the exit code tells. Needs Python 3.8 to 3.12 (DGL's wheels), venv, g++.
# Usage: setup_rivals.sh [folder]      PYTHON names the interpreter [python3]
set -euo pipefail
folder=${1:-rivals}
python=${PYTHON:-python3}
cuda=${CUDA_HOME:-/usr/local/cuda}
export LD_LIBRARY_PATH=$cuda/lib64:${LD_LIBRARY_PATH:-}
mkdir -p "$folder"
cd "$folder"

say() { echo "setup_rivals: $*"; }
install() {  # environment, packages and flags of pip
  local env=$1
  shift
  "$env/bin/pip" install -q "$@" ||
    { say "$env: pip could not install: $* (no such wheel for this Python or system, or the package index is out of reach)" >&2; return 1; }
}
fresh() {  # environment
  "$python" -m venv "$1" || { say "$python cannot make virtual environments: install python3-venv" >&2; return 1; }
}

check_torch() {
  torch-env/bin/python -W ignore -c 'import torch, torch_sparse, torch_geometric, pandas; print("torch", torch.__version__, "PyG", torch_geometric.__version__)'
}
make_torch() {
  fresh torch-env || return 1
  if [ -e "$cuda/lib64/libcudart.so.13" ] && [ -n "$(find "$cuda/lib64" /usr/lib -name 'libcudnn.so.9' -print -quit 2>/dev/null)" ]; then
    # The toolkit's own libraries serve: the wheel's dependencies are several gigabytes of copies of them.
    install torch-env --no-deps torch nvidia-nccl-cu13 nvidia-cufile nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-cuda-cupti || return 1
    install torch-env numpy typing_extensions sympy networkx jinja2 fsspec filelock || return 1
  else
    install torch-env torch numpy || return 1
  fi
  install torch-env 'setuptools<81' wheel ninja scipy pandas torch_geometric || return 1
  CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0 MAX_JOBS=$(nproc) PATH=$PWD/torch-env/bin:$PATH \
    install torch-env --no-build-isolation --no-deps torch-scatter torch-sparse
}

check_dgl() {
  DGLBACKEND=pytorch dgl-env/bin/python -W ignore -c 'import dgl, torch; print("DGL", dgl.__version__, "torch", torch.__version__)'
}
make_dgl() {
  fresh dgl-env || return 1
  install dgl-env torch==2.2.1 torchdata==0.7.1 'numpy<2' pandas pydantic pyyaml scipy dgl==2.1.0
}

status=0
for name in torch dgl; do
  say "$name-env in $PWD"
  if [ -x "$name-env/bin/python" ] && "check_$name" 2>/dev/null; then continue; fi
  if ! { "make_$name" && "check_$name"; }; then
    say "$name-env is not usable" >&2
    status=1
  fi
done
exit $status
