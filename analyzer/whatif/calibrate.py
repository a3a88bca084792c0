# SPDX-License-Identifier: MIT
"""What gilscope calibrate runs: measures a machine, and a free-threaded Python beside one with the GIL.

usage: python -c TEXT measure PYTHON_T|'' BASE|'' [PROGRAM ARGS...]   prints it; BASE: lines measured before
       python -c TEXT count KERNEL BEGIN SECONDS               loops a second of one kernel, from BEGIN on
       python -c TEXT time KERNEL SECONDS                      least seconds that a loop takes
       python -c TEXT collect CONTAINERS                       ns of a collection for each of them, at least
       python -c TEXT together KERNEL THREADS                  a loop's time while all do it, by that of one alone
       python -c TEXT wake                                     ns to wake a parked thread: three quantiles

cap(k), what k busy cores do together, is of k processes of this Python, which share nothing but the machine. s, how
long free-threaded Python takes for the same work, is of one thread; of the program itself where it is given. What s
is multiplied with where several threads run (threads) is of kernels whose threads share code and no data, and wake
of two threads that wake each other in turn; both without the GIL where there is such a Python.
"""
import gc
import math
import os
import queue
import subprocess
import sys
import threading
import time

CAP_ROUNDS = 5
S_ROUNDS = 7
APP_ROUNDS, APP_SECONDS, MOST_APP_ROUNDS = 5, 6.0, 25  # at least; until so much time is spent; at most
COUNT_SECONDS = 0.2
TIME_SECONDS = 0.08
LEAST_SECONDS = 0.02
GC_CONTAINERS = (100_000, 300_000, 1_000_000)
GC_ROUNDS = 5
TOGETHER_ROUNDS = 3
WINDOWS, WINDOW_SECONDS = 120, 0.003  # of threads together, and of one alone, in turn
HAD_A_CORE = 0.97  # of a window, by the thread's CPU clock
LEAST_WINDOWS = 5
MOST_TOGETHER = 8
WAKE_BATCHES, WAKE_ROUNDS = 60, 50


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


def answers(process):
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("%s ended with %d" % (process.args[0], process.returncode))
    return [float(word) for word in out.split()]


def answer(process):
    return answers(process)[0]


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


def windows(kernel, begin, first, out):
    """Appends seconds for a loop of the kernel, of each window; None: the thread had no core for all of it. In every
    second window the first thread is alone."""
    for i in range(WINDOWS):
        from_s = begin + i * WINDOW_SECONDS
        if i % 2 == 0 and not first:
            time.sleep(max(0, from_s + WINDOW_SECONDS - time.perf_counter()))
            out.append(None)
            continue
        while time.perf_counter() < from_s:
            pass
        n, wall, cpu = 0, time.perf_counter(), time.thread_time()
        while time.perf_counter() < from_s + 0.7 * WINDOW_SECONDS:
            kernel()
            n += 1
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        out.append(wall / n if n and cpu >= HAD_A_CORE * wall else None)


def together(kernel, k):
    """Prints the median of the pairs of windows, one after the other, in which all had a core: what else the machine
    does in these 6 ms it does to both, and on a busy one, too, they then ran side by side."""
    found, begin = [[] for _ in range(k)], time.perf_counter() + 0.02 + 0.002 * k
    threads = [threading.Thread(target=windows, args=(kernel, begin, not i, out)) for i, out in enumerate(found)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    by_window = list(zip(*found))
    factors = [sum(side_by_side) / k / alone[0] for alone, side_by_side in zip(by_window[::2], by_window[1::2])
               if alone[0] and None not in side_by_side]
    print(quantile(factors, 0.5) if len(factors) >= LEAST_WINDOWS else math.nan)


def reply(there, back):
    while there.get():
        back.put(1)


def wake():
    """A SimpleQueue's reader parks at once, where a lock would spin first."""
    there, back = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=reply, args=(there, back)).start()
    found = []
    for _ in range(WAKE_BATCHES):
        begin = time.perf_counter()
        for _ in range(WAKE_ROUNDS):
            there.put(1)
            back.get()
        parked = time.perf_counter() - begin
        for _ in range(WAKE_ROUNDS):  # what the two of them do beside waking
            back.put(1)
            back.get()
            back.put(1)
            back.get()
        running = time.perf_counter() - begin - parked
        found.append((parked - running) / (2 * WAKE_ROUNDS) * 1e9)
    there.put(0)
    print(*(round(min(max(quantile(found, q), 100), 1e7)) for q in (0.1, 0.5, 0.9)))


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
    """Of rates one after the other, as for s: a machine that is now faster and now slower tells neither apart."""
    ratios = {}
    for _ in range(CAP_ROUNDS):
        for kernel in CAP_KERNELS:
            rates = {k: rate(kernel, k) for k in sizes(cores)}
            for k in rates:
                ratios.setdefault((k, kernel), []).append(rates[k] / rates[1])
    points = [(k, geomean([quantile(ratios[k, kernel], 0.5) for kernel in CAP_KERNELS])) for k in sizes(cores)]
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


def s_of_threads(python_t, cap):
    """Of all kernels: what a loop takes longer side by side than alone, beyond what cores take from each other."""
    k, of_kernel = min(len(cap), MOST_TOGETHER), {}
    for _ in range(TOGETHER_ROUNDS):
        for kernel in S_KERNELS if k > 1 else []:
            factor = answer(ask(python_t, "together", kernel.__name__, k)) * cap[k - 1] / k
            if factor == factor:
                of_kernel.setdefault(kernel, []).append(min(max(factor, 0.5), 20))
    if len(of_kernel) <= len(S_KERNELS) / 2:
        return None  # the machine has no cores to spare, or one only
    factors = [quantile(found, 0.5) for found in of_kernel.values()]
    return [quantile(factors, q) for q in (0.1, 0.5, 0.9)]


def cpu_seconds(argv):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit("%s ended with status %d" % (" ".join(argv), status))
    return usage.ru_utime + usage.ru_stime


def s_of_program(python_t, program):
    """Of CPU time on one core: threads that it has after all must not look like speed. Of runs one after the other,
    which a machine that is now faster and now slower does not tell apart; how sure the median of these ratios is."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    times, begin = {sys.executable: [], python_t: []}, time.monotonic()
    for i in range(MOST_APP_ROUNDS):
        if i >= APP_ROUNDS and time.monotonic() - begin > APP_SECONDS:
            break
        for python in list(times)[:: -1 if i % 2 else 1]:
            times[python].append(cpu_seconds([python, *program]) - cpu_seconds([python, "-c", ""]))
    if min(map(min, times.values())) < LEAST_SECONDS:
        raise SystemExit("the program takes no time beside the interpreter's start: give it more to do")
    logs = [math.log(t / g) for g, t in zip(*times.values())]
    spread = (quantile(logs, 0.75) - quantile(logs, 0.25)) / 1.349
    doubt = max(0.02, 1.2816 * 1.2533 * spread / math.sqrt(len(logs)))
    return [math.exp(quantile(logs, 0.5) + way * doubt) for way in (-1, 0, 1)]


def check_free_threaded(python_t):
    code = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    if subprocess.check_output([python_t, "-I", "-c", code]).strip() != b"1":
        raise SystemExit("%s is not free-threaded" % python_t)


def version_of(python_t):
    text = subprocess.check_output([python_t, "-c", "import sys; print('%d.%dt' % sys.version_info[:2])"])
    return text.decode().strip()


def lines(python_t, base, program):
    """(what, its numbers), as measured, or measured before."""
    version = version_of(python_t) if python_t else None
    known = {what: list(map(float, numbers.split())) for what, numbers in base.items() if what != "target"}
    cap = known.get("cap") or measure_cap(len(os.sched_getaffinity(0)))
    same_python = base.get("target") == version
    yield "cap", cap
    wake = known.get("wake") if same_python else None
    yield "wake", wake or answers(ask(python_t or sys.executable, "wake"))
    yield "gc_gil", known.get("gc_gil") or [ns_of_a_container(sys.executable)[1]]
    if not python_t:
        return
    yield "target", version
    threads = known.get("threads") if same_python else None
    threads = threads or s_of_threads(python_t, cap)
    if threads:
        yield "threads", threads
    gc = known.get("gc") if same_python else None
    yield "gc", gc or ns_of_a_container(python_t)
    yield "s", s_of_program(python_t, program) if program else s_of_kernels(python_t)


def measure(python_t, base, *program):
    if python_t:
        check_free_threaded(python_t)
    print("gilscope calibration 1")
    print("python %s" % sys.version.split()[0])
    for what, value in lines(python_t, dict(line.split(" ", 1) for line in base.splitlines()), program):
        print(what, value if isinstance(value, str) else " ".join("%.4f" % v for v in value))


def main(what, *args):
    kernels = {k.__name__: k for k in CAP_KERNELS + S_KERNELS}
    if what == "count":
        count(kernels[args[0]], float(args[1]), float(args[2]))
    elif what == "time":
        least_time(kernels[args[0]], float(args[1]))
    elif what == "collect":
        collect(int(args[0]))
    elif what == "together":
        together(kernels[args[0]], int(args[1]))
    elif what == "wake":
        wake()
    else:
        measure(*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
