# SPDX-License-Identifier: MIT
"""The result as Markdown. Every ratio is printed with its quartiles, and its A/A interval beside it."""

from billing.measure import differences, ratios, spread

LEVELS = ("gilscope L0", "gilscope L1", "gilscope L2")
MEMORY_GOAL_KIB = (8 << 10, 256)  # fixed, and a thread


def interval(x, digits=3):
    if x is None:
        return "–"
    if x["n"] == 1:
        return "%.*f" % (digits, x["median"])
    return "%.*f [%.*f, %.*f]" % (digits, x["median"], digits, x["q1"], digits, x["q3"])


def row(*cells):
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"


def head(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def tool_names(result):
    return [t["name"] for t in result["tools"] if not t["skipped"]]


def tools_table(result):
    lines = head("tool", "version", "what it can tell about the GIL")
    for tool in result["tools"]:
        lines.append(row(tool["name"], tool["skipped"] and "skipped: " + tool["skipped"] or
                         tool["version"], tool["about_gil"]))
    return lines


def slowdown_table(result, key):
    names = tool_names(result)
    lines = head("program", "s", "A/A", *names)
    for w in result["workloads"]:
        rounds = w["rounds"]
        cells = [w["failed"].get(n) and "failed" or interval(spread(ratios(rounds, n, key)))
                 for n in names]
        off = spread(r["off"][key] for r in rounds)
        lines.append(row(w["name"], "%.2f" % off["median"], interval(spread(ratios(rounds, "again", key))),
                         *cells))
    return lines


def size(n):
    return "%.1f MB" % (n / 1e6) if n >= 1e6 else "%.0f kB" % (n / 1e3)


def space_table(result):
    names = tool_names(result)
    lines = head("program", *("%s: MiB, capture/s" % n for n in names))
    for w in result["workloads"]:
        cells = []
        for n in names:
            rss = spread(differences(w["rounds"], n, "rss_kib"))
            rate = spread(r[n]["bytes"] / r[n]["wall"] for r in w["rounds"] if n in r)
            cells.append(rss and "%+.1f, %s" % (rss["median"] / 1024, size(rate["median"])) or "–")
        lines.append(row(w["name"], *cells))
    return lines


def server_table(result):
    names = tool_names(result)
    lines = head("server", "figure", "alone", "A/A", *names)
    for w in result["workloads"]:
        if w["group"] != "server":
            continue
        for key, title, scale, unit in (("rps", "requests/s", 1, ""), ("p99", "p99", 1e3, " ms")):
            off = spread(r["off"][key] for r in w["rounds"])
            lines.append(row(w["name"], title, "%.4g%s" % (off["median"] * scale, unit),
                             interval(spread(ratios(w["rounds"], "again", key))),
                             *(interval(spread(ratios(w["rounds"], n, key))) for n in names)))
    return lines


def self_report_table(result):
    lines = head("program", "tool", "measured, ms of CPU", "A/A, ms", "self-reported, ms",
                 "reported / measured", "level at the end")
    for w in result["workloads"]:
        if w["group"] not in ("turns", "worst", "contended"):
            continue
        aa = spread(differences(w["rounds"], "again", "cpu"))
        for name in LEVELS:
            rounds = [r for r in w["rounds"] if name in r]
            if not rounds:
                continue
            told = spread(r[name]["stats"]["overhead_s"] for r in rounds)
            paid = spread(differences(rounds, name, "cpu"))
            ratio = "%.2f" % (told["median"] / paid["median"]) if paid["median"] > 0 else "–"
            levels = sorted({r[name]["stats"]["level_end"] for r in rounds})
            lines.append(row(w["name"], name, interval(scaled(paid), 1), interval(scaled(aa), 1),
                             interval(scaled(told), 1), ratio, "/".join("L%d" % x for x in levels)))
    return lines


def scaled(x):
    return {k: v if k == "n" else v * 1e3 for k, v in x.items()}


def memory_table(result):
    lines = head("threads", "tool", "resident, MiB more than alone", "A/A, MiB", "goal, MiB")
    fixed, each = MEMORY_GOAL_KIB
    for m in result["memory"]:
        for name in LEVELS:
            if name in m["rounds"][0]:
                lines.append(row(m["threads"], name,
                                 interval(mib(differences(m["rounds"], name, "kib")), 1),
                                 interval(mib(differences(m["rounds"], "again", "kib")), 1),
                                 "%.0f" % ((fixed + each * m["threads"]) / 1024)))
    return lines


def mib(kib):
    return spread(x / 1024 for x in kib)


def turns_table(result):
    lines = head("uncontended turn", "alone, ns", "added, ns", "two bare stamps, ns", "A/A, ns")
    for t in result["turns"]:
        w = t["wall"]
        stamps = w["stamps_ns"] and interval(dict(w["stamps_ns"], n=2), 1) or "–"
        lines.append(row({"two": "beside a second thread", "one": "one thread"}[t["threads"]],
                         *(interval(dict(w[k], n=2), 1) for k in ("off_ns", "added_ns")), stamps,
                         interval(dict(w["aa_ns"], n=2), 1)))
    return lines


# ---- the goals ----

def median_of_programs(result, tool, key):
    """Round by round the median over the programs, then the spread over rounds."""
    programs = [w for w in result["workloads"] if w["group"] == "cpu"]
    n = min((len(w["rounds"]) for w in programs), default=0)
    return spread(spread(ratios([w["rounds"][i]], tool, key)[0] for w in programs)["median"]
                  for i in range(n) if all(tool in w["rounds"][i] for w in programs))


def verdict(x, goal):
    if x["median"] <= goal:
        return "met"
    return "missed" if x["q1"] > goal else "not to be told"


def goals(result):
    """(what, measured, A/A, goal, digits) for each figure that has a goal, at the default level."""
    tool = "gilscope L1"
    for t in result["turns"]:
        w = t["wall"]
        yield ("ns a turn, " + {"two": "beside a second thread", "one": "one thread"}[t["threads"]],
               dict(w["added_ns"], n=2), dict(w["aa_ns"], n=2), t["goal_ns"], 1)
    if median_of_programs(result, tool, "wall"):
        yield ("CPU-bound programs, median", median_of_programs(result, tool, "wall"),
               median_of_programs(result, "again", "wall"), 1.01, 3)
    for group, goal, what in (("contended", 1.02, "contended mix"), ("worst", 1.06, "pipe ping-pong")):
        for w in result["workloads"]:
            if w["group"] == group and ratios(w["rounds"], tool, "wall"):
                yield (what, spread(ratios(w["rounds"], tool, "wall")),
                       spread(ratios(w["rounds"], "again", "wall")), goal, 3)
    for w in result["workloads"]:
        if w["group"] == "server" and ratios(w["rounds"], tool, "p99"):
            aa = spread(ratios(w["rounds"], "again", "p99"))
            yield "p99, " + w["name"], spread(ratios(w["rounds"], tool, "p99")), aa, aa["q3"], 3


def goals_table(result):
    lines = head("gilscope at its default level", "measured", "A/A", "goal", "")
    for what, x, aa, goal, digits in goals(result):
        lines.append(row(what, interval(x, digits), interval(aa, digits),
                         "<= %.*f" % (digits, goal), verdict(x, goal)))
    return lines


def markdown(result):
    parts = [["Python %s, %d CPUs, load %.1f before and %.1f after; %d rounds (others than gilscope: %d), "
              "median [quartiles]; %.0f s in all" % (
                  result["python"], result["cpus"], *result["load"], result["rounds_done"],
                  min(result["rounds_done"], result["rival_pairs"]), result["seconds"])]]
    for title, lines in (
            ("What each tool is", tools_table(result)),
            ("Goals", goals_table(result)),
            ("Time: wall clock, ratio to the program alone", slowdown_table(result, "wall")),
            ("Time: CPU of all processes, ratio", slowdown_table(result, "cpu")),
            ("Servers: ratio to the server alone", server_table(result)),
            ("Space: peak resident memory of the largest process, and capture a second",
             space_table(result)),
            ("A turn of the GIL that nobody waits for", turns_table(result)),
            ("What the agent says it costs, and what it costs", self_report_table(result)),
            ("Memory of the agent", memory_table(result))):
        if len(lines) > 2:
            parts.append(["", "### " + title, ""] + lines)
    for w in result["workloads"]:
        parts += [["", "%s under %s: %s" % (w["name"], tool, why)] for tool, why in w["failed"].items()]
    return "\n".join(line for part in parts for line in part) + "\n"
