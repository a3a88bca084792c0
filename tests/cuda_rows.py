# SPDX-License-Identifier: MIT
"""What a capture says of CUDA, put together from decoded rows and the format's text: slow, short, and
nothing of the analyzer's in it. What stats prints is compared with this."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "py"))
import decode_trace  # noqa: E402

ALLOC, FREE, SYNC, COPY, LOAD, UNLOAD, CONTEXT, CONTEXT_END, POOL, LAUNCH, OTHER = range(1, 12)
KINDS = "none device managed vmm pool array host registered graph ipc module".split()
OPS = [None] + "alloc free sync copy load unload context,context end,pool launch other".replace(
    " ", ",").replace("context,end", "context end").split(",")
DEVICE_KINDS = {"device", "managed", "vmm", "pool", "array"}
SHOWN = KINDS[1:10]
HELD, HAD, AGAIN, UNKNOWN = 1, 2, 4, 8
WAIT = 2
NEVER = float("inf")


class Clock:
    """CLOCK records of one epoch (TRACE_FORMAT.md, 6): lines between those that are half a second apart."""

    def __init__(self, ticks_are_ns, points):
        points = sorted(points)
        self.points = None if ticks_are_ns else points[:1]
        for ticks, ns in points[1:] if self.points else ():
            if ticks > self.points[-1][0] and ns - self.points[-1][1] >= 500000000:
                self.points.append([ticks, ns])
        if self.points and len(self.points) < 2:
            self.points.append(points[-1])

    def ns(self, ticks):
        if not self.points:
            return ticks
        at = sum(t0 <= ticks for t0, _ in self.points[1:-1])
        (t0, ns0), (t1, ns1) = self.points[at:at + 2]
        return ns0 + (ticks - t0) * (ns1 - ns0) // (t1 - t0)

    def duration(self, ticks):
        if not self.points:
            return ticks
        (t0, ns0), (t1, ns1) = self.points[0], self.points[-1]
        return ticks * (ns1 - ns0) // (t1 - t0)


class Row:
    def __init__(self, row, clock):
        self.seq, self.context, self.result = row["seq"], row["context"], row["result"]
        self.op, kind = row["what"] & 0xFF, row["what"] >> 8 & 0xFF
        self.kind = KINDS[kind] if kind < len(KINDS) else None
        self.flags, self.call = row["what"] >> 16 & 0xFFFF, row["what"] >> 32 & 0xFFFF
        self.begin, self.end = clock.ns(row["t"]), clock.ns(row["t"] + row["duration"])
        self.thread, self.bytes, self.address = row["thread"], row["bytes"], row["address"]
        self.stack = row["stack"]
        self.ns = self.end - self.begin
        after = self.op == ALLOC or (self.op == FREE and self.kind == "vmm")
        self.effect = self.end if after else self.begin
        self.is_memory = self.kind not in (None, "none", "module")


class State:
    """What lives: (kind, address) -> [(bytes, context, stack)], the newest last."""

    def __init__(self):
        self.blocks = {}
        self.counts = {kind: [0, 0, 0] for kind in SHOWN}

    def all(self):
        return [(kind, *block) for (kind, _), there in self.blocks.items() for block in there]

    def end_context(self, context):
        changed = False
        for (kind, address), there in self.blocks.items():
            kept = [b for b in there if b[1] != context or kind in ("vmm", "ipc")]
            self.counts[kind][1] += len(there) - len(kept)
            changed |= len(there) > len(kept)
            self.blocks[kind, address] = kept
        return changed

    def apply(self, row):
        """True where what lives has changed."""
        if row.op == CONTEXT_END and row.result == 0 and row.context:
            return self.end_context(row.context)
        if not row.is_memory:
            return False
        there = self.blocks.setdefault((row.kind, row.address), [])
        if row.op == ALLOC and row.result:
            self.counts[row.kind][2] += 1
        elif row.op == ALLOC:
            self.counts[row.kind][0] += 1
            if row.kind not in ("ipc", "graph"):
                there.clear()  # it must have ended unseen
            there.append((row.bytes, row.context, row.stack))
            return True
        elif row.op == FREE and not row.result and not row.flags & UNKNOWN:
            if there and there[-1][0] and not row.bytes:
                return False  # still mapped
            self.counts[row.kind][1] += 1
            return bool(there and there.pop())
        return False

    def by_kind(self):
        out = dict.fromkeys(SHOWN, 0)
        for kind, size, _, _ in self.all():
            out[kind] += size
        return out

    def sum(self, device_of=None, device=None, but=()):
        """Of devices' kinds; of one device, if one is given."""
        return sum(size for kind, size, context, _ in self.all()
                   if kind in DEVICE_KINDS and kind not in but
                   and (device is None or device_of(context) == device))

    def by_stack(self):
        out = {}
        for kind, size, _, stack in self.all():
            if kind in DEVICE_KINDS:
                out[stack] = out.get(stack, 0) + size
        return out


class Cuda:
    def __init__(self, path):
        self.records, rows, slices = {}, {}, {}
        items = decode_trace.decode(pathlib.Path(path).read_bytes())[0]
        for item in items:
            for record in item.get("records", ()):
                self.records.setdefault(record["tag"], []).append(record["fields"])
        process = self.records["PROCESS"][0]
        self.clock = Clock(process[12] == 1, [f[:2] for f in self.records.get("CLOCK", ())])
        self.start = self.clock.ns(process[3])
        for item in items:
            for row in item.get("rows", ()):
                if item["stream"] == "cuda":
                    old = rows.setdefault(row["seq"], row)
                    if old["what"] >> 16 & AGAIN and not row["what"] >> 16 & AGAIN:
                        rows[row["seq"]] = row
                elif item["stream"] == "slice" and row["flags"] & WAIT:
                    slices.setdefault(row["seq"], row)
        stacks = {fields[0]: tuple(map(tuple, fields[2])) for fields in self.records["STACK"]}
        self.rows = [Row(rows[seq], self.clock) for seq in sorted(rows)]
        for row in self.rows:
            row.stack = stacks.get(row.stack)
        self.waits = [(self.clock.ns(s["t_acq"] - s["wait"]), self.clock.ns(s["t_acq"]),
                       s["thread"]) for s in slices.values()]
        self.contexts = {}
        for fields in self.records.get("CUDA_CONTEXT", ()):
            self.contexts.setdefault(fields[0], []).append(fields)
        self.replay()

    # ---- records ----

    def last(self, tag, key=lambda fields: (), when=0):
        """The last one by time, of each key."""
        out = {}
        for fields in self.records.get(tag, ()):
            old = out.get(key(fields))
            if old is None or self.clock.ns(fields[when]) >= self.clock.ns(old[when]):
                out[key(fields)] = fields
        return out

    def device_of(self, context):
        if context in self.contexts:
            return self.contexts[context][-1][2]
        devices = {fields[-1][2] for fields in self.contexts.values()}
        return devices.pop() if len(devices) == 1 else None

    def born(self, context):
        return min(self.clock.ns(f[1]) for f in self.contexts[context])

    def died(self, context):
        return min([self.clock.ns(f[1]) for f in self.records.get("CUDA_CONTEXT_END", ())
                    if f[0] == context]
                   + [row.begin for row in self.rows
                      if row.op == CONTEXT_END and not row.result and row.context == context]
                   + [NEVER])

    # ---- memory ----

    def replay(self):
        state, self.samples, self.ooms, moment = State(), [], [], self.start
        self.peak_ns, self.peak, self.peak_stacks, self.peaks = 0, 0, {}, dict.fromkeys(SHOWN, 0)
        self.allocations, self.context_peaks = {}, {}
        looks = sorted(self.records.get("CUDA_USED", ()), key=lambda f: self.clock.ns(f[0]))
        self.looks = []  # (t, device, used, allocated there then)
        for row in self.rows + [None]:
            moment = max(moment, row.effect) if row else NEVER
            while looks and self.clock.ns(looks[0][0]) < moment:
                t, device, used = looks.pop(0)
                self.looks.append((self.clock.ns(t), device, used,
                                   state.sum(self.device_of, device, but=("managed",))))
            if row:
                self.step(state, row, moment)
        self.state = state

    def step(self, state, row, moment):
        if row.op == ALLOC and row.result == 2:
            device = self.device_of(row.context)
            self.ooms.append((row.begin - self.start, row.bytes, device,
                              state.sum(self.device_of, device)))
        if not state.apply(row):
            return
        kinds, total = state.by_kind(), state.sum()
        self.samples.append((moment - self.start, kinds))
        self.peaks = {kind: max(self.peaks[kind], kinds[kind]) for kind in SHOWN}
        for context in self.contexts:
            mine = sum(size for kind, size, c, _ in state.all()
                       if c == context and kind in DEVICE_KINDS)
            self.context_peaks[context] = max(mine, self.context_peaks.get(context, 0))
        if row.op == ALLOC and row.kind in DEVICE_KINDS:
            self.allocations[row.stack] = self.allocations.get(row.stack, 0) + 1
        if total > self.peak:
            self.peak, self.peak_ns = total, moment - self.start
            self.peak_stacks = state.by_stack()

    def stacks(self):
        """(at the peak, at the end, allocations) of each stack."""
        live = self.state.by_stack()
        return sorted((self.peak_stacks.get(s, 0), live.get(s, 0), n)
                      for s, n in self.allocations.items())

    def kinds(self):
        """kind -> (live, peak, allocations, frees, failed): records where there are any."""
        lives = self.last("CUDA_LIVE", lambda f: (f[1], f[2]))
        out, now = {}, self.state.by_kind()
        for kind in SHOWN:
            mine = [f for (_, k), f in lives.items() if k == KINDS.index(kind)]
            if not mine:
                out[kind] = (now[kind], self.peaks[kind], *self.state.counts[kind])
                continue
            peak = max(f[7] for f in mine)
            if len(mine) > 1:
                peak = max(peak, self.peaks[kind])
            out[kind] = (sum(f[6] for f in mine), peak, sum(f[3] for f in mine),
                         sum(f[4] for f in mine), sum(f[5] for f in mine))
        return out

    def live_and_peak(self):
        state = self.last("CUDA_STATE").get(())
        live = sum(v[0] for kind, v in self.kinds().items() if kind in DEVICE_KINDS)
        live, peak = (state[5], state[6]) if state else (live, self.peak)
        return live, max(live, peak)

    def lost_rows(self):
        state = self.last("CUDA_STATE").get((), [0] * 7)
        last = max([row.seq for row in self.rows] + [state[1]])
        return max(state[2], last - len(self.rows))

    # ---- contexts ----

    def device_bytes(self):
        """device -> (source, bytes of contexts)."""
        out = {}
        for device in {f[-1][2] for f in self.contexts.values()}:
            mine = [c for c in self.contexts if self.device_of(c) == device]
            looks = [max(0, used - allocated) for t, d, used, allocated in self.looks
                     if d == device and any(self.born(c) <= t < self.died(c) for c in mine)]
            said = [c for c in mine if self.context_bytes(c) is not None]
            lives = {c: (born, max(born, self.died(c))) for c, born in
                     ((c, max(self.born(c), self.start)) for c in said)}
            at_once = [sum(self.context_bytes(c) for c in said if lives[c][0] <= t <= lives[c][1])
                       for t, _ in lives.values()]
            out[device] = (("nvml", min(looks)) if looks else ("meminfo", max(at_once)) if said
                           else ("unknown", 0))
        return out

    def context_bytes(self, context):
        """By what the driver said; None where it said nothing."""
        before, after, total = ([f[i] for f in self.contexts[context] if f[i]] or [0]
                                for i in (5, 6, 7))
        if not after[-1] or not (before[-1] or total[-1]):
            return None
        return max(0, (before[-1] or total[-1]) - after[-1])

    # ---- time ----

    def calls(self):
        """call -> (op, calls, failed, ns, held_calls, held_ns)."""
        out = {}
        for call, f in self.last("CUDA_CALL", lambda f: f[0], when=3).items():
            out[call[0] if isinstance(call, tuple) else call] = (
                f[1], f[4], f[5], self.clock.duration(f[6]), f[7], self.clock.duration(f[8]))
        for call in {row.call for row in self.rows} - set(out):
            mine = [row for row in self.rows if row.call == call]
            held = [row for row in mine if row.flags & HELD]
            out[call] = (mine[0].op, len(mine), sum(row.result != 0 for row in mine),
                         sum(row.ns for row in mine), len(held), sum(row.ns for row in held))
        return out

    def blamed(self):
        """row -> what others waited while it held the only GIL."""
        held = sorted((row for row in self.rows if row.flags & HELD and row.ns),
                      key=lambda row: (row.begin, row.seq))
        out, high = {}, 0
        for row in held:
            begin, high = max(row.begin, high), max(row.end, high)
            out[row] = sum(max(0, min(row.end, w1) - max(begin, w0))
                           for w0, w1, thread in self.waits if thread != row.thread)
        return out

    def held(self):
        """(blamed, held, ns, count) by stack and call."""
        blamed, out = self.blamed(), {}
        for row in self.rows:
            if row.flags & (HELD | HAD):
                is_held = bool(row.flags & HELD)
                new = (blamed.get(row, 0), row.ns * is_held, row.ns, 1)
                old = out.get((row.stack, row.call), (0, 0, 0, 0))
                out[row.stack, row.call] = tuple(a + b for a, b in zip(old, new))
        return sorted(out.values(), reverse=True)
