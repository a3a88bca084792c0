# SPDX-License-Identifier: MIT
"""What a capture says of CUDA, put together from the format's text (TRACE_FORMAT.md, 4.10 and 5)."""
import collections
import json

ALLOC, FREE, SYNC, COPY = 1, 2, 3, 4
CONTEXT_END = 8
HELD, AGAIN, UNKNOWN = 1, 4, 8
OUTLIVE_CONTEXTS = (3, 9)  # VMM, IPC

State = collections.namedtuple(
    "State", "t rows lost_rows unknown_frees untracked live_bytes peak_bytes")
Call = collections.namedtuple("Call", "call op name t calls failed ticks held_calls held_ticks")
Live = collections.namedtuple("Live", "t context kind allocs frees failed live_bytes peak_bytes")


class Row:
    def __init__(self, row):
        self.__dict__.update(row)
        self.op, self.kind = row["what"] & 0xFF, row["what"] >> 8 & 0xFF
        self.flags, self.call = row["what"] >> 16 & 0xFFFF, row["what"] >> 32 & 0xFFFF


class Cuda:
    def __init__(self, gilscope, path):
        self.records, rows = {}, {}
        for line in gilscope("dump", "--raw-json", path).stdout.splitlines():
            item = json.loads(line)
            for record in item.get("records", ()):
                self.records.setdefault(record["tag"], []).append(record["fields"])
            if item.get("stream") == "cuda":
                rows.update((row["seq"], Row(row)) for row in item["rows"])
        self.rows = [rows[seq] for seq in sorted(rows)]
        self.calls = {c.name: c for c in map(Call._make, self.records.get("CUDA_CALL", ()))}
        last = {(c.context, c.kind): c for c in map(Live._make, self.records.get("CUDA_LIVE", ()))}
        self.live_records = list(last.values())

    @property
    def state(self):
        return State._make(self.records["CUDA_STATE"][-1][:7])

    def live(self, kind):
        """(blocks, bytes), by the sums."""
        of_kind = [c for c in self.live_records if c.kind == kind]
        return (sum(c.allocs - c.frees for c in of_kind), sum(c.live_bytes for c in of_kind))

    def replay(self):
        """{(address, kind): row} that lives after all rows."""
        live = {}
        for row in self.rows:
            if row.result != 0:
                continue
            key = row.address, row.kind
            if row.op == ALLOC:
                assert key not in live or row.flags & AGAIN, (row.seq, key)
                live[key] = row
            elif row.op == FREE and not row.flags & UNKNOWN and row.bytes:
                del live[key]
            elif row.op == CONTEXT_END:
                live = {k: r for k, r in live.items()
                        if r.context != row.context or r.kind in OUTLIVE_CONTEXTS}
        return live
