# SPDX-License-Identifier: MIT
"""The benchmarks, each a function that yields rows of the table. Peers answer the same question on the same
rows, and their answers are compared with ours before anything is said of times."""

import collections
import struct

from enginebench import recorders
from enginebench.run import Failed, Skipped, flamegraph_pl, least, output

MIB = 1024  # KiB

# ours, peer: {"value", "wall", "unit"}; ratio: peer / ours in CPU time, or as `of` says.
Row = collections.namedtuple("Row", "id what ours peer ratio wall_ratio target verdict note", defaults=("",))


def per_row(times, n):
    return {"value": least(times, n), "wall": least(times, n, "wall_ns"), "unit": "ns/row"}


def compare(id_, what, ours, peer, target, note=""):
    ratio = peer["value"] / ours["value"] if peer else None
    wall = peer["wall"] / ours["wall"] if peer and "wall" in peer else None
    verdict = "" if ratio is None or target is None else "met" if ratio >= target else "missed"
    return Row(id_, what, ours, peer, ratio, wall, target and ">= %g" % target, verdict, note)


def equal(what, ours, theirs):
    if ours != theirs:
        raise Failed("%s: the answers differ" % what)


def against(id_, what, ours, data, query, target, check):
    """One row: our times of `data`, and those of a peer's query, if there is the peer."""
    mine = per_row(ours, data.rows)
    try:
        theirs = data.bench.peer(query, data)
    except Skipped as e:
        return compare(id_, what, mine, None, target, "skipped: %s" % e)
    check(theirs["answer"])
    return compare(id_, what, mine, dict(per_row(theirs, data.rows), name=query), target)


# ---- B1 ----

def recording(bench, options):
    """Here the ratio is ours to theirs, and less is better."""
    one = recorders.measure(bench, "ours", 1)[0]
    for threads in 1, 2:
        mine = recorders.measure(bench, "ours", threads)[0]
        for name, target in ("lttng", 0.15), ("uftrace", 0.25):
            what = "an event recorded, %d thread%s; %s" % (threads, "s" * (threads > 1), name)
            yield at_most("B1", what, mine, lambda: recorders.measure(bench, name, threads)[0], target, "ns")
    yield at_most("B1", "an event recorded by 2 threads; by 1", mine, lambda: one, 1.1, "ns")


def at_most(id_, what, mine, theirs, target, unit):
    """A row whose ratio, ours to theirs, has an upper bound, or None."""
    ours, bound = {"value": mine, "unit": unit}, target and "<= %g" % target
    try:
        value = theirs()
    except Skipped as e:
        return Row(id_, what, ours, None, None, None, bound, "", "skipped: %s" % e)
    ratio = mine / value
    verdict = "" if target is None else "met" if ratio <= target else "missed"
    return Row(id_, what, ours, {"value": value, "unit": unit}, ratio, None, bound, verdict)


# ---- B3 ----

def bytes_on_disk(bench, options):
    data = bench.data(options.rows)
    mine = data.sizes["slice_bytes"] / data.rows
    for codec, target in ("zstd", 1.1), ("snappy", None):
        yield at_most("B3", "a slice on disk; Parquet, " + codec, mine,
                      lambda: bench.parquet(data)[codec + "_bytes"] / data.rows, target, "bytes")
    for name, target in ("lttng", 0.5), ("uftrace", 0.35):
        yield at_most("B3", "a slice on disk; one event of " + name, mine,
                      lambda: recorders.measure(bench, name, 1)[1], target, "bytes")


# ---- B4 ----

def groups_of(answer):
    return {row[0]: tuple(row[1:]) for row in answer}


def group_by(bench, options):
    data = bench.data(options.rows)
    for name, what, target in (("group", "sums by stack", 4), ("hists", "the same and two histograms", 8)):
        ours = bench.stage(name, data)
        mine = [groups_of(ours["groups"])]
        if name == "hists":
            mine += [groups_of(ours["hold_hist"]), groups_of(ours["wait_hist"])]
        same_rows(ours, data)
        for library in "duckdb", "polars":
            def check(answer):
                equal("B4, " + library, mine, [groups_of(part) for part in answer])
            yield against("B4", "%s; %s from Parquet" % (what, library), ours, data, library + ":" + name,
                          target if library == "duckdb" else None, check)


def same_rows(ours, data):
    """Sums of a whole analysis, by stack, are those of the loop."""
    whole = collections.Counter()
    for node, hold, _, _ in data.bench.stage("build", data)["rows"]:
        whole[node] += hold
    equal("B4, whole analysis", {n: h for n, h in whole.items() if h},
          {g[0]: g[1] for g in ours["groups"] if g[1]})


# ---- B5 ----

def blame_of(rows):
    blame = collections.Counter()
    for node, _, blamed, _ in rows:
        blame[node] += blamed
    return {node: ns for node, ns in blame.items() if ns}


def check_total(ours):
    blamed, waited = (sum(row[i] for row in ours["rows"]) for i in (2, 3))
    equal("B5, blame and waits", blamed + ours["unknown_holder_ns"], waited)


def blame(bench, options):
    """The verdict is on the quickest form of the query: on rows enough for it to be at its best."""
    rows = []
    for form, what, n in (("number", "sums, turns found by seq - wait_ds", options.blame_rows),
                          ("asof", "sums, turns found by ASOF join", options.blame_rows),
                          ("join", "interval join", options.join_rows)):
        data = bench.data(n)
        ours = bench.stage("blame", data)
        check_total(ours)
        rows.append(against("B5", "blame, %d rows; duckdb, %s" % (n, what), ours, data,
                            "duckdb:blame-" + form, 50,
                            lambda answer: equal("B5, " + form, blame_of(ours["rows"]),
                                                 {k: v for k, v in answer[0] if v})))
    quickest = min((r.peer["value"] for r in rows if r.peer), default=None)
    for row in rows:
        yield row if row.peer is None or row.peer["value"] == quickest else row._replace(target=None,
                                                                                         verdict="")


# ---- B6 ----

def order(bench, options):
    data = bench.data(options.rows)
    ours = bench.stage("order", data)
    found = {"rows": ours["ordered_rows"], "hash": ours["order_hash"]}
    equal("B6, rows", found["rows"], data.rows)
    for library in "duckdb", "polars":
        yield against("B6", "order by time; %s from Parquet" % library, ours, data, library + ":order",
                      15 if library == "duckdb" else None,
                      lambda answer: equal("B6, " + library, found, answer))


# ---- B7 ----

def deep_capture(bench, stacks):
    """A capture of so many turns and stacks, and its folded stacks."""
    capture, folded = bench.folder / "deep.gsc", bench.folder / "deep.txt"
    capture.write_bytes(output(bench.build / "tests" / "gs_deep_stacks", stacks))
    folded.write_bytes(output(bench.gilscope, "export", "collapsed", capture))
    lines = folded.read_text().splitlines()
    equal("B7, stacks", (len(set(lines)), {line.count(";") for line in lines}), (stacks, {20}))
    return capture, folded


def flame_graph(bench, options):
    n = options.stacks
    capture, folded = deep_capture(bench, n)
    page = bench.folder / "deep.html"
    yield whole_process(bench, "%d stacks of 20 frames: report" % n, 100, folded, "flamegraph.pl",
                        lambda svg: equal("B7, SVG", svg.rstrip()[-6:], "</svg>"),
                        "report", "-f", "-o", page, capture)
    n //= 2
    capture, folded = deep_capture(bench, n)
    yield whole_process(bench, "%d samples of 20 frames: export collapsed" % n, 200, perf_script(bench, folded),
                        "stackcollapse-perf.pl", lambda text: equal("B7, frames", text.count(";"), 20 * n),
                        "export", "collapsed", capture)


def perf_script(bench, folded):
    """The same stacks as `perf script` prints samples."""
    path = bench.folder / "deep.perf"
    with open(path, "w") as f:
        for i, line in enumerate(folded.read_text().splitlines()):
            f.write("python3 1000 [000] %d.%06d: 1 cycles:\n" % divmod(i, 1000000))
            for frame in line.rsplit(" ", 1)[0].split(";")[:0:-1]:
                func, file = frame.split(" ", 1)
                f.write("\t%16x %s+0x0 %s\n" % (i, func, file))
            f.write("\n")
    return path


def whole_process(bench, what, target, given, script, check, *command):
    """A program of ours against a script that is given a file."""
    repeat = min(bench.repeat, 3)
    theirs, note = None, ""
    try:
        theirs = seconds(bench.best(flamegraph_pl(script), stdin=given, repeat=repeat))
        check((bench.folder / "out").read_text())
    except Skipped as e:
        note = "skipped: %s" % e
    ours = seconds(bench.best(bench.gilscope, *command, repeat=repeat))
    return compare("B7", "%s; %s" % (what, script), ours, theirs, target, note)


def seconds(times):
    return {"value": least(times, 1e9), "wall": least(times, 1e9, "wall_ns"), "unit": "s"}


# ---- B12 ----

def memory(bench, options):
    """Flat: what is not the capture's own pages grows by less than a quarter from the smallest on."""
    for what, *more in ("turns alone", "--what", "gil"), ("all streams",):
        first = None
        for slices in options.memory_slices:
            capture = bench.generate("memory.gsc", slices, "--threads", 8, *more)
            size = capture.stat().st_size
            _, _, peak, anonymous = bench.watch(bench.gilscope, "stats", "--json", capture)
            capture.unlink()
            flat = first is None or anonymous <= 1.25 * first
            verdict = "missed" if not flat or peak > MIB * 1024 else "met" if first else ""
            first = first or max(anonymous, 1)
            yield Row("B12", "peak memory of stats, %s, capture of %.2f GB" % (what, size / 1e9),
                      {"value": peak / MIB, "unit": "MiB"}, {"value": anonymous / MIB, "unit": "MiB anonymous"},
                      anonymous / first, None, "flat, <= 1 GiB", verdict)


# ---- B13 ----

HEADER_BYTES = 64


def split(data, folder, parts):
    """Chunks of a capture dealt out to files, the last one first; every file has the header."""
    chunks, at, head = [], HEADER_BYTES, data[:HEADER_BYTES]
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        chunks.append(data[at:at + length])
        at += length
    folder.mkdir()
    for i in range(parts):
        (folder / ("%d.gsc" % i)).write_bytes(head + b"".join(chunks[::-1][i::parts]))
    return folder


def identical(bench, options):
    captures = [("level 2", "--level", 2), ("level 1", "--level", 1), ("losses", "--losses", 20),
                ("shuffled", "--shuffle")]
    for i, (name, *more) in enumerate(captures):
        whole = bench.generate("same-%d.gsc" % i, options.same_slices, "--threads", 12, "--seed", i, *more)
        parts = split(whole.read_bytes(), bench.folder / ("parts-%d" % i), 3)
        expected, n = bench.stats([whole], "reference", 1), 0
        for path in whole, parts:
            for engine, jobs, rows in (("reference", 2, 0), ("cpu", 1, 0), ("cpu", 2, 0), ("cpu", 1, 1000),
                                       ("cpu", 2, 1000)):
                equal("B13, %s, %s, jobs %d, windows of %d" % (path.name, engine, jobs, rows), expected,
                      bench.stats([path], engine, jobs, rows))
                n += 1
        yield Row("B13", "engines, jobs, windows, files split and reversed: %s" % name,
                  {"value": n, "unit": "documents"}, None, None, None, "the same bytes", "met")


CASES = {"B1": recording, "B3": bytes_on_disk, "B4": group_by, "B5": blame, "B6": order, "B7": flame_graph,
         "B12": memory, "B13": identical}
