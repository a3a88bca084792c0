# SPDX-License-Identifier: MIT
"""What is run: pyperformance's own programs with fixed loops, servers under load, and the GIL's worst."""

import glob

from billing.measure import PROGRAM_DIR


class Workload:
    def __init__(self, name, group, argv, requests=0, connections=0):
        self.name = name
        self.group = group  # cpu, contended, worst, turns, server
        self.argv = argv
        self.requests = requests
        self.connections = connections


# name, loops (half a second or more each), further arguments
PYPERFORMANCE = [("nbody", 4, []), ("richards", 8, []), ("chaos", 4, []), ("json_dumps", 20, []),
                 ("regex_compile", 2, []), ("logging", 30000, ["format"]),
                 ("pickle", 1500, ["pickle"]), ("sqlite_synth", 80000, []),
                 ("async_tree", 1, ["none"])]
OWN_CPU = [("fib", 150), ("json_loop", 12000), ("dict_loop", 120)]


def own(name, group, *args, **server):
    return Workload(name, group, [PROGRAM_DIR / (name + ".py"), *args], **server)


def pyperformance(venv, part):
    found = venv and glob.glob(str(venv / "lib" / "python3*" / "site-packages" / "pyperformance" /
                          "data-files" / "benchmarks"))
    return [Workload(name, "cpu",
                     ["%s/bm_%s/run_benchmark.py" % (found[0], name), "--worker", "-n", "1", "-w", "0",
                      "-l", max(1, loops // part), *more])
            for name, loops, more in PYPERFORMANCE] if found else []


def all_workloads(venv, part):
    """`part` divides the amounts, for a quick look. Where there is no venv with pyperformance and
    uvicorn, programs of our own stand in."""
    def n(amount):
        return max(1, amount // part)

    theirs = pyperformance(venv, part)
    return (theirs or [own(name, "cpu", n(amount)) for name, amount in OWN_CPU]) + [
        own("mix", "contended", n(500)),
        own("ping_pong", "worst", n(20000)),
        own("turns", "turns", max(500, n(2000000)), "two"),
        own("http_threads", "server", "{port}", n(2500), requests=n(2500), connections=8),
    ] + ([own("asgi", "server", "{port}", n(4000), requests=n(4000), connections=8)] if theirs else [])


# A second or more each: what the beginning and the end of a recording cost is not meant here.
ALLOCATIONS = [("alloc_small", 120), ("alloc_strings", 800), ("alloc_tree", 400), ("alloc_large", 300),
               ("alloc_threads", 600)]


def allocation_workloads(part):
    """What does little else than allocate and free."""
    return [own(name, "allocations", max(1, amount // part)) for name, amount in ALLOCATIONS]
