# SPDX-License-Identifier: MIT
"""What a capture's rows say of memory, put together from the format's text: the truth is compared
with this, and what the analyzer prints is too."""
import json

POOL_HDR_BYTES = 48


class Arena:
    def __init__(self, fields):
        self.id, self.born, self.address, self.bytes, self.pool_bytes, self.stack = fields
        self.died = None
        self.readings = {}  # t -> 64 cells

    def n_pools(self):
        first = -(-self.address // self.pool_bytes) * self.pool_bytes
        return (self.address + self.bytes - first) // self.pool_bytes

    def cells(self):
        """Of the last reading."""
        return self.readings[max(self.readings)] if self.readings else [0] * 64


class Memory:
    """All of one capture: arenas by id, and records by name."""

    def __init__(self, gilscope, path):
        self.arenas, self.records, self.rows = {}, {}, {"pools": [], "alloc": [], "free": []}
        for line in gilscope("dump", "--raw-json", path).stdout.splitlines():
            item = json.loads(line)
            for record in item.get("records", ()):
                self.records.setdefault(record["tag"], []).append(record["fields"])
            if item.get("stream") in self.rows:
                self.rows[item["stream"]] += item["rows"]
        for fields in self.records.get("ARENA", ()):
            self.arenas.setdefault(fields[0], Arena(fields))
        for arena, t in self.records.get("ARENA_END", ()):
            self.arenas[arena].died = t
        for row in self.rows["pools"]:
            cells = self.arenas[row["arena"]].readings.setdefault(row["t"], [0] * 64)
            for i in range(4):
                cells[4 * row["quad"] + i] = row["cells"] >> 16 * i & 0xFFFF

    def live(self):
        return [a for a in self.arenas.values() if a.died is None]

    def sums_of(self, arena):
        """(used, free inside pools in use, pools emptied or never used) of its last reading."""
        used = free = unused_pools = 0
        for cell in arena.cells()[:arena.n_pools()]:
            size, blocks = 16 * (cell >> 10), cell & 0x3FF
            if not blocks:
                unused_pools += 1
                continue
            used += blocks * size
            free += ((arena.pool_bytes - POOL_HDR_BYTES) // size - blocks) * size
        return used, free, unused_pools

    def sums(self):
        return tuple(map(sum, zip(*map(self.sums_of, self.live()))))

    def last(self, tag):
        return self.records[tag][-1]

    def why_no_arenas(self):
        return [text for _, kind, _, text in self.records.get("EVENT", ()) if kind == 13]
