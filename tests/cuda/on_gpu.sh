#!/bin/bash
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU, which need not reach any other: builds, and runs what needs one.
#
# usage: tests/cuda/on_gpu.sh [--install] [--built] [--bench] [--only STEP[,STEP...]] [PYTEST-OPTION...]
#        tests/cuda/on_gpu.sh --pack FOLDER
#   build      programs and libgilscope_cuda.so, into GILSCOPE_BUILD (default: build); needs nvcc, zlib.h
#   agent      tests/cuda/test_gpu.py: the agent beside the driver, the runtime, PyTorch and CuPy
#   engine     tests/cuda/test_gpu_engine.py: the CUDA engine's bytes are the CPU engine's, also of replays
#   sanitizer  compute-sanitizer over it: memcheck, racecheck, initcheck, synccheck
#   bench      tests/bench/gpu_engine: goals B8 and B9; gs_sweep_ns: a sweep of replays beside one core and all
# All of them but the last are run, with --bench that one, too; a step that fails stops no other but after
# build. A table at the end says how each went. What is missing (PyTorch, CuPy, a CUDA runtime) is named
# as skipped; --install puts them into a venv in the cache first.
#   --built    GILSCOPE_BUILD is as it should be: no build, and nothing that a build needs
#   --pack     copies what the steps need of GILSCOPE_BUILD (some MB) to FOLDER, to be taken to a machine
#              where it cannot be built; there: GILSCOPE_BUILD=FOLDER tests/cuda/on_gpu.sh --built
# Environment: GILSCOPE_GPU_PYTHON (the interpreter that has PyTorch; with --install the venv's),
# GILSCOPE_CUDART (folders with libcudart, ':' between), GILSCOPE_BUILD, GILSCOPE_CACHE,
# GILSCOPE_BENCH, GILSCOPE_BENCH_SWEEP (options of tests/bench/gpu_engine, of gs_sweep_ns).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
export GILSCOPE_BUILD=${GILSCOPE_BUILD:-$root/build}
cache=${GILSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gilscope}
steps=build,agent,engine,sanitizer
bench='' built='' install=''
PATH=$PATH:/usr/local/cuda/bin # nvcc and compute-sanitizer, where nobody has said so

pack() { # FOLDER
    mkdir -p "$1/tests"
    cp -r "$GILSCOPE_BUILD/bin" "$GILSCOPE_BUILD/lib" "$1/"
    cp "$GILSCOPE_BUILD/tests/"{gs_cuda_count,gs_replay,gs_sweep_ns} "$1/tests/"
}

while [ $# -gt 0 ]; do
    case $1 in
    --install) install=yes ;;
    --built) built=yes ;;
    --bench) bench=,bench ;;
    --only) steps=${2:?--only STEP[,STEP...]} && shift ;;
    --pack) pack "${2:?--pack FOLDER}" && exit ;;
    *) break ;;
    esac
    shift
done
[ -z "$built" ] || steps=${steps//build/}
steps=$steps$bench
for step in ${steps//,/ }; do
    case $step in
    build | agent | engine | sanitizer | bench) ;;
    *) echo "on_gpu: there is no step $step: build, agent, engine, sanitizer, bench" >&2 && exit 2 ;;
    esac
done

if [ -n "$install" ]; then
    venv=$cache/gpu-venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q pytest torch cupy-cuda13x nvidia-cuda-runtime-cu12 \
        nvidia-cuda-runtime || echo "on_gpu: not all packages could be installed" >&2
    export GILSCOPE_GPU_PYTHON=${GILSCOPE_GPU_PYTHON:-$venv/bin/python}
fi
export GILSCOPE_GPU_PYTHON=${GILSCOPE_GPU_PYTHON:-python3}
python=$GILSCOPE_GPU_PYTHON
"$python" -c 'import pytest' 2>/dev/null || python=python3

run_build() {
    local log=$GILSCOPE_BUILD/on_gpu.log generator=()
    mkdir -p "$GILSCOPE_BUILD"
    if [ ! -e "$GILSCOPE_BUILD/CMakeCache.txt" ] && command -v ninja >/dev/null; then
        generator=(-G Ninja)
    fi
    if cmake -S . -B "$GILSCOPE_BUILD" "${generator[@]}" -DGILSCOPE_CUDA=ON >"$log" 2>&1 &&
        cmake --build "$GILSCOPE_BUILD" -j "$(nproc)" >>"$log" 2>&1; then
        return 0
    fi
    grep -m 5 -A 3 -i 'error' "$log" || tail -n 30 "$log" # it may be far from the end
    return 1
}

run_pytest() { "$python" -m pytest -p no:cacheprovider -rs -q "$@"; }
sanitized=(tests/cuda/test_gpu_engine.py::test_sanitizer_finds_nothing
    tests/cuda/test_gpu_engine.py::test_sanitizer_finds_nothing_in_replays)
run_agent() {
    bash tests/lint/check_cuda_abi.sh || [ $? = 77 ] || return 1
    run_pytest tests/cuda/test_gpu.py "$@"
}
run_engine() { run_pytest tests/cuda/test_gpu_engine.py "${sanitized[@]/#/--deselect=}" "$@"; }
run_sanitizer() { run_pytest "${sanitized[@]}" "$@"; }
run_bench() {
    local options
    read -ra options <<<"${GILSCOPE_BENCH:-}"
    python3 tests/bench/gpu_engine "${options[@]}"
    read -ra options <<<"${GILSCOPE_BENCH_SWEEP:-}"
    "$GILSCOPE_BUILD/tests/gs_sweep_ns" "${options[@]}"
}

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
else
    echo "on_gpu: no nvidia-smi here"
fi
failed=0 table=''
for step in ${steps//,/ }; do
    begin=$SECONDS word=passed rc=0
    if [ "$step" = bench ]; then run_bench || rc=$?; else "run_$step" "$@" || rc=$?; fi
    [ $rc = 5 ] && rc=0 # pytest: the options left no test
    [ $rc = 0 ] || { failed=1 word="failed ($rc)"; }
    table+=$(printf 'on_gpu: %-9s %s in %d s' "$step" "$word" $((SECONDS - begin)))$'\n'
    [ "$step" != build ] || [ $rc = 0 ] || break
done
printf '%s' "$table"
exit $failed
