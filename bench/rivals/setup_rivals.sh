#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the two virtual environments that the comparisons need, in the folder given (default ./rivals):
#   torch-env   PyTorch, PyTorch Geometric, torch-scatter and torch-sparse (built from source: about 12 minutes)
#   dgl-env     DGL 2.1.0 with the PyTorch 2.2.1 that it wants
# Usage: setup_rivals.sh [folder]
set -euo pipefail
folder=${1:-rivals}
mkdir -p "$folder"
cd "$folder"
cuda=${CUDA_HOME:-/usr/local/cuda}

echo "== torch-env in $PWD"
python3 -m venv torch-env
pip=torch-env/bin/pip
if [ -e "$cuda/lib64/libcudart.so.13" ] && [ -n "$(find "$cuda/lib64" /usr/lib -name 'libcudnn.so.9' -print -quit 2>/dev/null)" ]; then
  # The toolkit's own libraries serve: the wheel's dependencies are several gigabytes of copies of them.
  $pip install -q --no-deps torch nvidia-nccl-cu13 nvidia-cufile nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-cuda-cupti
  $pip install -q numpy typing_extensions sympy networkx jinja2 fsspec filelock
else
  $pip install -q torch numpy
fi
$pip install -q "setuptools<81" wheel ninja scipy torch_geometric
export LD_LIBRARY_PATH=$cuda/lib64:${LD_LIBRARY_PATH:-}
CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0 MAX_JOBS=$(nproc) PATH=$PWD/torch-env/bin:$PATH \
  $pip install -q --no-build-isolation --no-deps torch-scatter torch-sparse
torch-env/bin/python -c 'import torch, torch_sparse, torch_geometric; print("torch", torch.__version__, "PyG", torch_geometric.__version__)'

echo "== dgl-env in $PWD"
python3 -m venv dgl-env
dgl-env/bin/pip install -q torch==2.2.1 torchdata==0.7.1 'numpy<2' pandas pydantic pyyaml scipy dgl==2.1.0
DGLBACKEND=pytorch dgl-env/bin/python -c 'import dgl; print("DGL", dgl.__version__)'
