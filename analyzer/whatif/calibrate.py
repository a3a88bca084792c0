# SPDX-License-Identifier: MIT
"""What gilscope calibrate runs: measures a machine, and a free-threaded Python beside one with the GIL.

usage: python -c TEXT measure PYTHON_T|'' CAP|'' [PROGRAM ARGS...]    prints it; CAP: numbers measured before
       python -c TEXT count KERNEL BEGIN SECONDS               loops a second of one kernel, from BEGIN on
       python -c TEXT time KERNEL SECONDS                      least seconds that a loop takes
       python -c TEXT collect CONTAINERS                       ns of a collection for each of them, at least

cap(k), what k busy cores do together, is of k processes of this Python, which share nothing but the machine. s, how
long free-threaded Python takes for the same work, is of one thread; of the program itself where it is given.
"""
import gc
import math
import os
import subprocess
import sys
import time

CAP_ROUNDS = 5
S_ROUNDS = 7
APP_ROUNDS = 5
COUNT_SECONDS = 0.2
TIME_SECONDS = 0.08
LEAST_SECONDS = 0.02
GC_CONTAINERS = (100_000, 300_000, 1_000_000)
GC_ROUNDS = 5


class Slotted:
    __slots__ = ("n",)

    def __init__(self):
        self.n = 0

    def step(self):
        self.n += 1


def k_loop():
    x = 0
    for i in range(4000):
        x += i * i & 255


def k_float():
    x = 1.0
    for _ in range(4000):
        x = x * 1.0000001 + 0.5


def k_call():
    def f(a):
        return a
    for i in range(2500):
        f(i)


def k_method():
    o = Slotted()
    for _ in range(2000):
        o.step()


def k_list():
    for _ in range(300):
        [None] * 20, (1, 2), [1, 2, 3]


def k_comprehension():
    [i + 1 for i in range(4000)]


def k_dict():
    d = {}
    for i in range(2000):
        d[i & 127] = d.get(i & 63, i)


def k_text():
    for _ in range(120):
        ",".join("a b c d e f g".split()).upper()


def k_sort():
    sorted([i * 7919 % 1009 for i in range(1200)])


def k_generator():
    sum(i for i in range(3000))


def k_raise():
    for _ in range(700):
        try:
            raise ValueError
        except ValueError:
            pass


def k_memory():
    bytearray(8 << 20).count(b"x")


CAP_KERNELS = [k_loop, k_list, k_memory]
S_KERNELS = [k_loop, k_float, k_call, k_method, k_list, k_comprehension, k_dict, k_text, k_sort, k_generator, k_raise]


def own_text():
    with open("/proc/self/cmdline", "rb") as f:
        words = f.read().split(b"\0")
    return words[words.index(b"-c") + 1].decode()


def ask(python, *args):
    """A process that measures; its number is to be had by answer()."""
    argv = [python, "-I", "-S", "-c", own_text(), *map(str, args)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)


def answer(process):
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("%s ended with %d" % (process.args[0], process.returncode))
    return float(out)


def count(kernel, begin, seconds):
    while time.monotonic() < begin:
        kernel()
    begin, n = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        kernel()
        n += 1
    print(n / (time.monotonic() - begin))


def least_time(kernel, seconds):
    end, best = time.perf_counter() + seconds, math.inf
    while time.perf_counter() < end:
        begin = time.perf_counter()
        kernel()
        best = min(best, time.perf_counter() - begin)
    print(best)


def collect(containers):
    """Of lists that hold a list each."""
    gc.disable()
    alive = [[[]] for _ in range(containers // 2)]
    gc.collect()
    best = math.inf
    for _ in range(GC_ROUNDS):
        begin = time.process_time()
        gc.collect()
        best = min(best, time.process_time() - begin)
    print(best / len(gc.get_objects()) * 1e9 if alive else 0)


def rate(kernel, k):
    begin = time.monotonic() + 0.1 + 0.03 * k
    processes = [ask(sys.executable, "count", kernel.__name__, begin, COUNT_SECONDS) for _ in range(k)]
    return sum(map(answer, processes))


def sizes(cores):
    k, out = 1, []
    while k < cores:
        out.append(k)
        k *= 2
    return out + [cores]


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def between(points, k):
    """cap(k) from the sizes that were measured: straight lines."""
    for (k0, c0), (k1, c1) in zip(points, points[1:]):
        if k0 <= k <= k1:
            return c0 + (c1 - c0) * (k - k0) / (k1 - k0)
    return points[-1][1]


def measure_cap(cores):
    rates = {}
    for _ in range(CAP_ROUNDS):
        for k in sizes(cores):
            for kernel in CAP_KERNELS:
                rates.setdefault((k, kernel), []).append(rate(kernel, k))
    best = {key: max(values) for key, values in rates.items()}
    points = [(k, geomean([best[k, kernel] / best[1, kernel] for kernel in CAP_KERNELS])) for k in sizes(cores)]
    cap, so_far = [], 0.0
    for k in range(1, cores + 1):
        so_far = max(so_far, between(points, k) if len(points) > 1 else 1.0)
        cap.append(so_far)
    return cap


def quantile(values, share):
    values = sorted(values)
    at = share * (len(values) - 1)
    lo = int(at)
    return values[lo] + (at - lo) * (values[min(lo + 1, len(values) - 1)] - values[lo])


def s_of_kernels(python_t):
    best = {}
    for _ in range(S_ROUNDS):
        for kernel in S_KERNELS:
            for python in (sys.executable, python_t):
                seconds = answer(ask(python, "time", kernel.__name__, TIME_SECONDS))
                best[python, kernel] = min(seconds, best.get((python, kernel), math.inf))
    ratios = [best[python_t, k] / best[sys.executable, k] for k in S_KERNELS]
    return quantile(ratios, 0.1), geomean(ratios), quantile(ratios, 0.9)


def ns_of_a_container(python):
    return sorted(answer(ask(python, "collect", n)) for n in GC_CONTAINERS)


def cpu_seconds(argv):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit("%s ended with status %d" % (" ".join(argv), status))
    return usage.ru_utime + usage.ru_stime


def s_of_program(python_t, program):
    """Of CPU time on one core: threads that it has after all must not look like speed."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    times = {sys.executable: [], python_t: []}
    for i in range(APP_ROUNDS):
        for python in list(times)[:: -1 if i % 2 else 1]:
            times[python].append(cpu_seconds([python, *program]) - cpu_seconds([python, "-c", ""]))
    if min(map(min, times.values())) < LEAST_SECONDS:
        raise SystemExit("the program takes no time beside the interpreter's start: give it more to do")
    s = min(times[python_t]) / min(times[sys.executable])
    doubt = max(0.02, *(quantile(t, 0.5) / min(t) - 1 for t in times.values()))
    return s / (1 + doubt), s, s * (1 + doubt)


def check_free_threaded(python_t):
    code = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    if subprocess.check_output([python_t, "-I", "-c", code]).strip() != b"1":
        raise SystemExit("%s is not free-threaded" % python_t)


def measure(python_t, cap, *program):
    if python_t:
        check_free_threaded(python_t)
    print("gilscope calibration 1")
    print("python %s" % sys.version.split()[0])
    print("cap " + (cap or " ".join("%.4f" % c for c in measure_cap(len(os.sched_getaffinity(0))))))
    print("gc_gil %.2f" % ns_of_a_container(sys.executable)[1])
    if python_t:
        version = subprocess.check_output([python_t, "-c", "import sys; print('%d.%dt' % sys.version_info[:2])"])
        print("target " + version.decode().strip())
        print("s %.4f %.4f %.4f" % (s_of_program(python_t, program) if program else s_of_kernels(python_t)))
        print("gc %.2f %.2f %.2f" % tuple(ns_of_a_container(python_t)))


def main(what, *args):
    kernels = {k.__name__: k for k in CAP_KERNELS + S_KERNELS}
    if what == "count":
        count(kernels[args[0]], float(args[1]), float(args[2]))
    elif what == "time":
        least_time(kernels[args[0]], float(args[1]))
    elif what == "collect":
        collect(int(args[0]))
    else:
        measure(*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
