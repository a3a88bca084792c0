# SPDX-License-Identifier: MIT
"""The SYNC rows of a capture, by the format's text."""
import json

OPS = {1: "acquired", 2: "released", 3: "refused", 4: "put", 5: "got", 6: "cpu"}
NO_LOCKS, LOCKS = 17, 18


class Sync:
    def __init__(self, gilscope, path):
        self.rows, self.slices, self.records = [], [], {}
        self.codes, self.stacks = {}, {0: []}
        for line in gilscope("dump", "--raw-json", path).stdout.splitlines():
            item = json.loads(line)
            for record in item.get("records", ()):
                self.records.setdefault(record["tag"], []).append(record["fields"])
            if item.get("stream") == "sync":
                self.rows += [dict(r, object=r["object"] & ~1, reentrant=r["object"] & 1) for r in item["rows"]]
            if item.get("stream") == "slice":
                self.slices += item["rows"]
        for code, filename, name, *_ in self.records.get("CODE", ()):
            self.codes[code] = "%s:%s" % (filename.rpartition("/")[2], name)
        for stack, _, frames in self.records.get("STACK", ()):
            self.stacks[stack] = [self.codes[code] for code, _ in frames]

    def events(self, kind):
        return [f for f in self.records.get("EVENT", ()) if f[1] == kind]

    def lost(self):
        return self.records["LOST"][-1][1]

    def settings(self):
        return dict(s.split("=") for s in self.records["PROCESS"][0][13])

    def counts(self, address, since=0):
        """operation -> how often, of one object."""
        counts = {}
        for row in self.rows:
            if row["object"] == address and row["op"] != 6 and row["t"] > since:
                op = OPS[row["op"]]
                counts[op] = counts.get(op, 0) + 1
                if op == "released" and row["value"]:
                    counts["released_all"] = counts.get("released_all", 0) + 1
        return counts

    def of(self, address):
        return [r for r in self.rows if r["object"] == address]

    def cpu(self, thread):
        return sorted((r["t"], r["value"]) for r in self.rows
                      if r["op"] == 6 and r["thread"] == thread)

    def ns(self, ticks):
        return ticks * 1e9 / int(self.settings()["tick_hz"])
