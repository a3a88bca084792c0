# SPDX-License-Identifier: MIT
"""What a capture says of CUDA, from the lines of `gilscope dump --raw-json`: rows, sums, contexts."""
import collections
import json

ALLOC, FREE, SYNC, COPY, LOAD, UNLOAD, CONTEXT, CONTEXT_END, POOL, LAUNCH, OTHER = range(1, 12)
HELD, HAD, AGAIN, UNKNOWN = 1, 2, 4, 8
VMM, IPC, OF_DEVICES = 3, 9, range(1, 6)

Row = collections.namedtuple("Row", "t seq op kind flags call thread context result duration bytes "
                                    "address stack")
CALL = "calls failed ticks held_calls held_ticks".split()
LIVE = "allocs frees failed live peak".split()
STATE = "rows lost unknown untracked live peak".split()
CONTEXT_FIELDS = "t device flags duration before after total thread stack".split()


class Cuda:
    def __init__(self, lines):
        self.rows, self.live, self.calls, self.contexts = [], {}, {}, {}
        self.state = self.driver = None
        self.devices, self.used, self.events = {}, [], []
        for line in map(json.loads, lines):
            for row in line.get("rows", []) if line.get("stream") == "cuda" else []:
                self.add_row(row)
            for record in line.get("records", []):
                self.add_record(record["tag"], record["fields"])
        self.rows.sort(key=lambda row: row.seq)

    def add_row(self, r):
        what = r["what"]
        self.rows.append(Row(r["t"], r["seq"], what & 255, what >> 8 & 255, what >> 16 & 65535,
                             what >> 32 & 65535, r["thread"], r["context"], r["result"],
                             r["duration"], r["bytes"], r["address"], r["stack"]))

    def add_record(self, tag, f):
        if tag == "CUDA_LIVE":
            self.live[f[1], f[2]] = dict(zip(LIVE, f[3:]))
        elif tag == "CUDA_CALL":
            self.calls[f[2]] = dict(zip(CALL, f[4:]), op=f[1], id=f[0])
        elif tag == "CUDA_STATE":
            self.state = dict(zip(STATE, f[1:]))
        elif tag == "CUDA_CONTEXT":
            self.contexts[f[0]] = dict(zip(CONTEXT_FIELDS, f[1:]))
        elif tag == "CUDA_CONTEXT_END":
            self.contexts[f[0]]["end"] = f[1]
        elif tag == "CUDA_DRIVER":
            self.driver = f
        elif tag == "CUDA_DEVICE":
            self.devices[f[0]] = f[1:]
        elif tag == "CUDA_USED":
            self.used.append(f)
        elif tag == "EVENT" and f[1] in (15, 16):
            self.events.append(f[3])

    def of_kind(self, kind):
        """(blocks, bytes) that live, by the agent's own sums."""
        of = [s for (_, k), s in self.live.items() if k == kind]
        return sum(s["allocs"] - s["frees"] for s in of), sum(s["live"] for s in of)

    def replay(self):
        """Yields (row, what lives then: (kind, address) -> [ALLOC rows], bytes of devices); every end must
        have its beginning. A dictionary of its own for each context, so that its end is quick."""
        live, of_context, total = {}, collections.defaultdict(dict), 0
        for row in self.rows:
            key = row.kind, row.address
            if row.result == 0 and row.op in (ALLOC, LOAD):
                live.setdefault(key, []).append(row)
                of_context[row.context][row.seq] = key
                total += row.bytes * (row.kind in OF_DEVICES)
            elif row.result == 0 and row.op in (FREE, UNLOAD) and not row.flags & UNKNOWN:
                ended = live[key].pop()
                del of_context[ended.context][ended.seq]
                assert ended.bytes == row.bytes, (ended, row)
                total -= row.bytes * (row.kind in OF_DEVICES)
            elif row.result == 0 and row.op == CONTEXT_END:
                for seq, key in list(of_context[row.context].items()):
                    if key[0] not in (VMM, IPC):
                        ended = next(r for r in live[key] if r.seq == seq)
                        live[key].remove(ended)
                        del of_context[row.context][seq]
                        total -= ended.bytes * (ended.kind in OF_DEVICES)
            yield row, live, total
