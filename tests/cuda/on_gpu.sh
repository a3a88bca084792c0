#!/bin/bash
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU: builds, and runs the tests that need one: of the agent
# (tests/cuda/test_gpu.py), of the CUDA engine, compute-sanitizer over it included
# (tests/cuda/test_gpu_engine.py); with --bench, then goals B8 and B9 (tests/bench/gpu_engine).
# What is missing (PyTorch, CuPy, a CUDA runtime) is named as skipped; --install puts them into a venv
# in the cache first.
# usage: tests/cuda/on_gpu.sh [--install] [--bench] [PYTEST-OPTION...]
# Environment: GILSCOPE_GPU_PYTHON (the interpreter that has PyTorch; with --install the venv's),
# GILSCOPE_CUDART (folders with libcudart, ':' between), GILSCOPE_BUILD, GILSCOPE_CACHE,
# GILSCOPE_BENCH (options of tests/bench/gpu_engine).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
export GILSCOPE_BUILD=${GILSCOPE_BUILD:-$root/build}
bench=
cache=${GILSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gilscope}

if [ "${1:-}" = --install ]; then
    shift
    venv=$cache/gpu-venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q pytest torch cupy-cuda13x nvidia-cuda-runtime-cu12 \
        nvidia-cuda-runtime || echo "on_gpu: not all packages could be installed" >&2
    export GILSCOPE_GPU_PYTHON=${GILSCOPE_GPU_PYTHON:-$venv/bin/python}
fi

if [ "${1:-}" = --bench ]; then
    shift
    bench=yes
fi

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
else
    echo "on_gpu: no nvidia-smi here"
fi
cmake -S . -B "$GILSCOPE_BUILD" >/dev/null
cmake --build "$GILSCOPE_BUILD" -j "$(nproc)" | tail -n 1
bash tests/lint/check_cuda_abi.sh || [ $? = 77 ]
python=${GILSCOPE_GPU_PYTHON:-python3}
"$python" -c 'import pytest' 2>/dev/null || python=python3
"$python" -m pytest tests/cuda/test_gpu.py tests/cuda/test_gpu_engine.py -p no:cacheprovider -rs -q "$@"
if [ -n "$bench" ]; then
    read -ra bench_options <<<"${GILSCOPE_BENCH:-}"
    GILSCOPE_GPU_PYTHON=$python python3 tests/bench/gpu_engine "${bench_options[@]}"
fi
