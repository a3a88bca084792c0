# SPDX-License-Identifier: MIT
"""On a machine with a GPU: the agent beside the real driver, runtime, PyTorch and CuPy. Skipped, by name,
where one of them is missing; tests/cuda/on_gpu.sh runs these alone.

GILSCOPE_GPU_PYTHON is the interpreter that has PyTorch or CuPy (default: python3).
"""
import ctypes
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cuda_rows_of as of  # noqa: E402
import fake_book as book  # noqa: E402
from conftest import clean_env  # noqa: E402
from cuda_runtimes import runtimes  # noqa: E402
from preloaded import run_plain, run_preloaded  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = os.environ.get("GILSCOPE_GPU_PYTHON") or shutil.which("python3") or sys.executable
TIMEOUT = 300  # the first import of PyTorch takes its time


@functools.lru_cache(maxsize=None)
def why_no_gpu():
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1)"
    if hasattr(driver, "fake_live_bytes"):
        return "libcuda.so.1 is the one on host memory"
    probe = "import ctypes; d = ctypes.CDLL('libcuda.so.1'); n = ctypes.c_int();"
    probe += "print(d.cuInit(0) or d.cuDeviceGetCount(ctypes.byref(n)) or -n.value)"
    out = subprocess.run([PYTHON, "-c", probe], stdout=subprocess.PIPE, universal_newlines=True)
    answer = int(out.stdout or 1)
    return None if answer < 0 else "no GPU (the driver says %d)" % answer


@functools.lru_cache(maxsize=None)
def why_not(module):
    code = "import %s as m; print(m.__version__)" % module
    result = subprocess.run([PYTHON, "-c", code], env=clean_env(), timeout=TIMEOUT,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return "%s has no %s" % (PYTHON, module) if result.returncode else None


def cuda_of(gilscope, path):
    return of.Cuda(gilscope("dump", "--raw-json", path).stdout.splitlines())


@pytest.fixture(autouse=True)
def gpu():
    if why_no_gpu():
        pytest.skip(why_no_gpu())


@pytest.fixture
def torch():
    if why_not("torch"):
        pytest.skip(why_not("torch"))


@pytest.fixture
def watch(gilscope, tmp_path):
    """watch(code or argv, ENV=…) -> its result, and what its capture says."""

    def go(program, out="x.gsc", **env):
        argv = ["-c", textwrap.dedent(program)] if isinstance(program, str) else program
        result = run_preloaded(gilscope, [PYTHON, *argv], tmp_path / out, timeout=TIMEOUT, env=env)
        assert result.returncode == 0, result.stderr
        result.capture = tmp_path / out
        return result, cuda_of(gilscope, tmp_path / out)

    return go


@pytest.fixture
def shared_library(tmp_path):
    """shared_library("x.c", *libraries) -> targets/x.c, built with them."""

    def build(name, *libraries):
        cc = shutil.which("cc") or pytest.skip("no C compiler")
        out = tmp_path / (name + "-%d.so" % len(list(tmp_path.glob("*.so"))))
        subprocess.run([cc, "-shared", "-fPIC", HERE / "targets" / name, *libraries, "-o", out],
                       check=True)
        return out

    return build


# ---- the driver and the runtime ----


@pytest.mark.parametrize("how", ["dlsym", "proc", "proc1"])
@pytest.mark.parametrize("hold", [[], ["--hold-gil"]])
def test_every_kind(watch, how, hold):
    _, cuda = watch([HERE / "targets" / "all_kinds.py", how, *hold], FAKECUDA_VERSION=12000)
    expected = {book.DEVICE: 1000, book.MANAGED: 3 << 20, book.VMM: 2 << 20, book.POOL: 70000,
                book.ARRAY: 65536, book.HOST: 5000, book.REGISTERED: 65536, book.GRAPH: 4096}
    assert {kind: cuda.of_kind(kind) for kind in expected} == {k: (1, v) for k, v in expected.items()}
    assert cuda.of_kind(book.MODULE)[0] == 1
    assert (cuda.state["unknown"], cuda.state["untracked"]) == (0, 0)


@pytest.mark.parametrize("name", ["libcudart_static.a", "libcudart.so"])
def test_the_runtime(watch, shared_library, name):
    found = runtimes(PYTHON, name)
    if not found:
        pytest.skip("no %s" % name)
    for i, file in enumerate(found):
        story = shared_library("cudart_story.c", file, "-Wl,-rpath,%s" % file.parent, "-pthread",
                               "-ldl", "-lrt")
        _, cuda = watch("import ctypes; rc = ctypes.CDLL(%r).story(); assert rc == 0, rc"
                        % str(story), out="%d.gsc" % i)
        expected = {book.DEVICE: 1000, book.MANAGED: 3 << 20, book.HOST: 5000, book.POOL: 70000}
        assert {k: cuda.of_kind(k) for k in expected} == {k: (1, v) for k, v in expected.items()}, file


FORK = """
    import os, sys
    sys.path.insert(0, %r)
    import cu
    if sys.argv[1:] == ["after"]:
        cu.Driver().start()
    pid = os.fork()
    driver = cu.Driver()
    if pid == 0 and sys.argv[1:] == ["after"]:
        os._exit(driver.try_("cuInit", 0))  # 3: not initialized, and never again
    if pid == 0:
        driver.start()
        driver.allocate(1000)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] >> 8 == (3 if sys.argv[1:] else 0)
""" % str(HERE / "targets")


@pytest.mark.parametrize("when", ["before", "after"])
def test_fork(gilscope, tmp_path, when):
    argv = [PYTHON, "-W", "ignore", "-c", textwrap.dedent(FORK), *(["after"] * (when == "after"))]
    result = run_preloaded(gilscope, argv, tmp_path / "%p.gsc", timeout=TIMEOUT)
    assert (result.returncode, result.stderr) == (0, "")
    live = sorted(cuda_of(gilscope, file).of_kind(book.DEVICE) for file in tmp_path.glob("*.gsc"))
    assert live == ([(0, 0), (1, 1000)] if when == "before" else [(0, 0), (0, 0)])


def test_an_injected_library_is_still_called(watch, shared_library, tmp_path):
    lib = shared_library("injection.c")
    _, cuda = watch([HERE / "targets" / "all_kinds.py", "dlsym"], CUDA_INJECTION64_PATH=lib,
                    INJECTION_WAS_HERE=tmp_path / "here")
    assert (tmp_path / "here").exists()
    assert cuda.of_kind(book.DEVICE) == (1, 1000)


# ---- PyTorch ----

TENSORS = """
    import torch
    kept = [torch.zeros(n << 18, device="cuda") for n in (1, 5, 40)]  # 1, 5 and 40 MiB
    for n in range(50):
        torch.ones(n << 12, device="cuda").sum().item()
    torch.cuda.synchronize()
    del kept[1]
    print(torch.cuda.memory_reserved(), torch.cuda.memory_allocated())
"""


@pytest.mark.parametrize("setting, kind, which", [
    ("", book.DEVICE, 0),
    ("expandable_segments:True", book.VMM, 0),
    ("backend:cudaMallocAsync", book.POOL, 1),
])
def test_torch_memory(torch, watch, setting, kind, which):
    """What PyTorch has reserved (its stream-ordered backend: allocated) is what lives."""
    result, cuda = watch(TENSORS, PYTORCH_CUDA_ALLOC_CONF=setting)
    assert cuda.of_kind(kind)[1] == int(result.stdout.split()[which])
    assert cuda.state["unknown"] == 0


def test_what_a_context_takes(torch, watch, stats):
    """What the program's own NVML says it uses, less what PyTorch has reserved: within 5 %."""
    result, _ = watch("""
        import os, time, torch
        torch.zeros(10 << 20, device="cuda").sum().item()
        torch.cuda.synchronize()
        time.sleep(2.5)  # the agent looks once a second
        import subprocess
        rows = subprocess.run(["nvidia-smi", "--query-compute-apps=pid,used_memory",
                               "--format=csv,noheader,nounits"], stdout=-1, text=True).stdout
        used = [int(r.split(",")[1]) for r in rows.splitlines() if int(r.split(",")[0]) == os.getpid()]
        print(used[0] << 20 if used else -1, torch.cuda.memory_reserved(), flush=True)
    """)
    used, reserved = map(int, result.stdout.split())
    if used < 0:
        pytest.skip("nvidia-smi does not show this process here")
    device = stats(result.capture)["processes"][0]["cuda"]["devices"][0]
    assert device["source"] == "nvml"
    assert abs(device["context_bytes"] - (used - reserved)) <= 0.05 * (used - reserved)


def test_torch_results_are_the_same(torch, watch):
    code = textwrap.dedent("""
        import torch
        torch.manual_seed(1)
        a = torch.rand(512, 512, device="cuda")
        print(float((a @ a).double().sum()))
    """)
    plain = run_plain([PYTHON, "-c", code], timeout=TIMEOUT)
    assert watch(code)[0].stdout == plain.stdout


def test_torch_graphs(torch, watch):
    result, cuda = watch("""
        import torch
        x = torch.zeros(1 << 20, device="cuda")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = x + 1
        for _ in range(10):
            graph.replay()
        torch.cuda.synchronize()
        print(float(y.sum()), torch.cuda.memory_reserved())
    """)
    total, reserved = result.stdout.split()
    assert float(total) == 1 << 20
    assert cuda.of_kind(book.DEVICE)[1] == int(reserved)
    launches = [c for name, c in cuda.calls.items() if name.startswith("cuGraphLaunch")]
    assert sum(c["calls"] for c in launches) >= 10


def test_torch_profiler_at_the_same_time(torch, watch):
    """There may be one subscriber to CUPTI; the agent is none."""
    result, cuda = watch("""
        import torch
        from torch.profiler import ProfilerActivity, profile
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as p:
            a = torch.rand(256, 256, device="cuda")
            (a @ a).sum().item()
        print(sum("DeviceType.CUDA" in str(e.device_type) for e in p.events()))
    """)
    assert int(result.stdout) > 0
    assert cuda.calls


def test_waiting_under_the_gil_is_told(torch, watch):
    """Whether PyTorch holds the GIL there is its own affair: of the calls that wait, no more than all do."""
    _, cuda = watch("""
        import torch
        a = torch.rand(4096, 4096, device="cuda")
        for _ in range(5):
            a = a @ a
            torch.cuda.synchronize()
    """)
    waits = [c for name, c in cuda.calls.items() if "Synchronize" in name]
    assert sum(c["calls"] for c in waits) >= 5
    assert all(c["held_calls"] <= c["calls"] and c["held_ticks"] <= c["ticks"] for c in waits)


# ---- CuPy ----


def test_cupy_memory(watch):
    if why_not("cupy"):
        pytest.skip(why_not("cupy"))
    result, cuda = watch("""
        import cupy
        kept = [cupy.zeros(n << 18) for n in (1, 3)]
        cupy.cuda.Device().synchronize()
        print(cupy.get_default_memory_pool().total_bytes())
    """)
    assert cuda.of_kind(book.DEVICE)[1] == int(result.stdout)
