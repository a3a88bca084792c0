# SPDX-License-Identifier: MIT
"""The result as Markdown."""

STAGES = {"read": "the bytes, once, by a loop of sums", "decode": "columns, times in ns",
          "group": "decode, sums by stack", "hists": "group, two histograms",
          "survey": "windows planned and surveyed", "order": "survey, rows in order of seq",
          "blame": "the profile without who waited for whom", "build": "the whole profile"}


def row(*cells):
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"


def head(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def amount(x):
    if not x:
        return "–"
    value = x["value"]
    digits = 0 if value >= 1000 or value == int(value) else 1 if value >= 10 else 3 if value < 1 else 2
    return "%.*f %s" % (digits, value, x["unit"])


def ratio(x):
    return "–" if x is None else "%.2f" % x if x < 10 else "%.0f" % x


def rows_table(rows):
    lines = head("id", "what; against", "ours", "peer", "ratio", "of wall clock", "target", "")
    for r in rows:
        lines.append(row(r["id"], r["what"], amount(r["ours"]), r["note"] or amount(r["peer"]), ratio(r["ratio"]),
                         ratio(r["wall_ratio"]), r["target"] or "", r["verdict"] or ""))
    return lines


def stages_table(stages):
    """The share of the roofline is that of a stage's bytes: how long reading them takes, of the stage."""
    lines = head("stage", "threads", "CPU, ns/slice", "wall, ns/slice", "M slices/s", "capture, GB/s",
                 "share of reading", "peak, MiB")
    read = {s["jobs"]: s["cpu"] for s in stages if s["name"] == "read"}
    for s in stages:
        about = "%s: %s" % (s["name"], STAGES[s["name"]])
        lines.append(row(about + (", reference engine" if s["engine"] == "reference" else ""), s["jobs"],
                         "%.2f" % s["cpu"], "%.2f" % s["wall"], "%.1f" % (1e3 / s["wall"]),
                         "%.2f" % (s["bytes"] / s["wall"]), "%.1f %%" % (100 * read[s["jobs"]] / s["cpu"]),
                         "%.0f" % (s["peak_rss_kib"] / 1024)))
    return lines


def markdown(result):
    parts = ["%s; %d CPUs, load %.1f before and %.1f after; least of %d runs; %.0f s in all%s" % (
        ", ".join(result["versions"]) or "nobody to compare with", result["cpus"], *result["load"], result["repeat"],
        result["seconds"], "; quick: no result" if result["quick"] else "")]
    if result["rows"]:
        parts += ["", "### Ours and theirs", ""] + rows_table(result["rows"])
    if result["stages"]:
        parts += ["", "### Our stages, %d slices" % result["slices"], ""] + stages_table(result["stages"])
    parts += ["", "B2: what recording costs a program is tests/bench/bill's business.", ""]
    return "\n".join(parts)
