# SPDX-License-Identifier: MIT
"""Rounds: every program alone, under each tool, and alone again, in one order or the other."""

import collections
import subprocess
import sys
import time

from billing import tools

# At most `rounds` of them, the first `rival_rounds` with the other tools too, and none that would
# last beyond `end` (time.monotonic()).
Limits = collections.namedtuple("Limits", "rounds rival_rounds end")


def usable(bench, offered, wanted=()):
    """(tools that run, what is said of each tool)."""
    runnable, said = [], []
    for tool in offered:
        version, skipped = "", None
        try:
            if wanted and not any(tool.name.startswith(w) for w in wanted):
                raise RuntimeError("not asked for")
            version = tool.version(bench)
            runnable.append(tool)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as e:
            skipped = str(e)
        said.append({"name": tool.name, "version": version, "skipped": skipped,
                     "about_gil": tool.about_gil})
    return runnable, said


def one_round(bench, workload, runnable, turn, failed):
    """{tool: result} of each tool once, or None when the program itself fails."""
    order = [tools.OFF, *runnable, tools.AGAIN]
    results = {}
    for tool in order[::-1] if turn % 2 else order:
        if tool.name in failed:
            continue
        try:
            results[tool.name] = bench.run(tool, workload)
        except RuntimeError as e:
            failed[tool.name] = str(e)
    return results if "off" in results and "again" in results else None


def measure(bench, workloads, runnable, limits):
    """(rows of {name, group, rounds, failed}, rounds done): while there is time for another."""
    rows = [{"name": w.name, "group": w.group, "rounds": [], "failed": {}} for w in workloads]
    ours = [t for t in runnable if t.is_ours]
    for w, row in zip(workloads, rows):  # the first run reads files the others find in memory
        one_round(bench, w, [], 0, row["failed"])
    turn, longest = 0, 0.0
    while turn < limits.rounds and (turn == 0 or time.monotonic() + longest < limits.end):
        start = time.monotonic()
        chosen = runnable if turn < limits.rival_rounds else ours
        for w, row in zip(workloads, rows):
            results = one_round(bench, w, chosen, turn, row["failed"])
            if results:
                row["rounds"].append(results)
        turn += 1
        print("round %d, %.0f s" % (turn, time.monotonic() - start), file=sys.stderr)
        longest = (time.monotonic() - start) * 1.05 if turn >= limits.rival_rounds else longest
    return [r for r in rows if r["rounds"] or r["failed"]], turn
