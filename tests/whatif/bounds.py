# SPDX-License-Identifier: MIT
"""What no schedule of a program is shorter than, and what some are not longer than: see analyzer/whatif/README.md.

  bounds(program, machine)   {"work_ns", "critical_path_ns", "locks_ns", "pools_ns", "lo_ns", "hi_ns", "why_no_hi"}

The critical path is the makespan of a run in which nothing happens later than in any other.
"""
import collections
import fractions
import heapq
import itertools

import program as programs
from world import SWITCHING, TICK, Runner, Things, World, ticks


class Count:
    """Of what has come, and of who waits for how many."""

    def __init__(self, n=0):
        self.n, self.queue = n, []

    def more(self, wake):
        self.n += 1
        ready = [thread for need, thread in self.queue if need <= self.n]
        self.queue = [entry for entry in self.queue if entry[0] > self.n]
        for thread in ready:
            wake(thread)


class Relaxed(World):
    """As many cores as threads; locks are free, channels have room and one reader, items a worker each."""

    def __init__(self, program, machine):
        super().__init__(program, machine.but(wake_ns=0, gc_every_ns=0))
        self.ready = collections.deque(thread for thread in self.threads if thread.state == "ready")
        self.heap, self.order = [], itertools.count()
        self.counts = Things(lambda name: Count(self.queues[name].channel.initial))
        self.arrivals = Things(lambda name: Count())
        self.locks_ns, self.pools_ns = collections.Counter(), collections.Counter()
        self.items = collections.defaultdict(list)
        self.waits_ns = collections.Counter()  # pool: when all of its workers wait for their first item
        self.readers = collections.defaultdict(set)
        for thread in self.threads:
            self.prepare(thread, None)
            for op in thread.ops:
                if op.verb == "get" and self.is_pool(op):
                    self.readers[op.name].add(thread.name)

    @staticmethod
    def prepare(thread, pool):
        thread.pool = pool
        thread.held = collections.defaultdict(list)  # lock: what was done since each acquire
        thread.count, thread.devices, thread.joined = collections.Counter(), collections.Counter(), set()
        thread.waiters = []
        return thread

    def ready_now(self, thread):
        thread.state = "ready"
        self.ready.append(thread)

    ready_soon = ready_now

    def run(self):
        while self.ready or self.heap:
            if not self.ready:
                self.now, _, thread = heapq.heappop(self.heap)
                self.ready_now(thread)
            self.resume(self.ready.popleft())
        self.deadlock = not self.is_over()
        return self

    def spend(self, thread, time):
        if not time:
            return True
        for sums in thread.held.values():
            sums[:] = [value + time for value in sums]
        if thread.pool is not None:
            self.pools_ns[thread.pool] += time
        return self.sleep(thread, self.now + time)

    def sleep(self, thread, until):
        heapq.heappush(self.heap, (until, next(self.order), thread))
        thread.state = "asleep"
        return False

    def do_latency(self, thread, op):
        return self.spend(thread, op.ns * TICK)

    def do_until(self, thread, op):
        return op.ns * TICK <= self.now or self.sleep(thread, op.ns * TICK)

    def compute(self, thread, verb, left):
        return self.spend(thread, left)

    def do_acquire(self, thread, op):
        thread.held[op.name].append(0)
        return True

    def do_release(self, thread, op):
        if thread.held[op.name]:
            self.locks_ns[op.name] += thread.held[op.name].pop()
        return True

    def do_put(self, thread, op):
        if not self.is_pool(op):
            self.counts[op.name].more(self.wake)
        elif (op.name, op.item) in self.behind:
            ops, at = self.behind[op.name, op.item]
            worker = self.prepare(Runner(None, programs.Thread("item", ops=ops)), op.name)
            worker.ops, worker.at = ops, at
            self.items[op.name].append(worker)
            self.ready_now(worker)
        return True

    def in_time(self, thread, count, op, need):
        return count.n >= need or self.park(thread, count.queue, op, (need, thread))

    def do_get(self, thread, op):
        if self.is_pool(op):
            if thread.pool is None:
                self.waits_ns[op.name] = self.now
            thread.ops, thread.at = (), 0
            return True
        thread.count[op.name] += 1
        return self.in_time(thread, self.counts[op.name], op, thread.count[op.name])

    def do_clear(self, thread, op):
        return True

    def do_arrive(self, thread, op):
        count = self.arrivals[op.name]
        count.more(self.wake)
        thread.count[op.name] += 1
        return self.in_time(thread, count, op, thread.count[op.name] * self.parties[op.name])

    def do_join(self, thread, op):
        """Who has joined all that read a pool has waited for its items, if for no other thread's join."""
        thread.joined.add(op.name)
        last_of = [pool for pool, readers in self.readers.items() if op.name in readers and readers <= thread.joined]
        todo = [self.by_name[op.name]] + [item for pool in last_of for item in self.items[pool]]
        todo = [other for other in todo if other.state != "ended"]
        thread.todo = len(todo)
        for other in todo:
            other.waiters.append(thread)
        return not todo or self.park(thread, [], op)

    def end(self, thread):
        thread.state = "ended"
        for other in thread.waiters:
            other.todo -= 1
            if not other.todo:
                self.wake(other)

    def do_submit(self, thread, op):
        """Others' work for the device might come later in another run: only what is this thread's own is sure."""
        thread.devices[op.name] = max(self.now, thread.devices[op.name]) + op.ns * TICK
        return True

    def do_sync(self, thread, op):
        return thread.devices[op.name] <= self.now or self.sleep(thread, thread.devices[op.name])


# ---- where an upper bound can be said ----


def may_park(program, op):
    """Whether it can wait for something other than a lock."""
    if op.verb == "put":
        channel = program.channels.get(op.name)
        return channel is not None and channel.capacity is not None
    return op.verb in ("get", "wait", "arrive", "join", "sync")


def is_pool_get(program, op):
    return op.verb == "get" and op.name in program.pools()


def signals(program):
    """Locks that are not always released by who acquired them last: then they do not keep others out all that time."""
    found = set()
    for thread in program.threads:
        held = set()
        for op in thread.ops:
            if op.verb in ("acquire", "release") and (op.name in held) == (op.verb == "acquire"):
                found.add(op.name)
            elif op.verb in ("acquire", "release"):
                held ^= {op.name}
        found |= held
    return found


def why_locks(program):
    yield from ("%s is a signal" % name for name in signals(program))
    for thread in program.threads:
        held = set()
        for op in thread.ops:
            if op.verb in ("acquire", "release"):
                held ^= {op.name}
            elif held and may_park(program, op):
                yield "%s while %s is held" % (op.verb, min(held))


def users(program, verb):
    """name: the threads that do this to it."""
    found = collections.defaultdict(set)
    for thread in program.threads:
        for op in thread.ops:
            if op.verb == verb:
                found[op.name].add(thread.name)
    return found


def why_channels(program):
    n_puts = collections.Counter(op.name for op in program.ops() if op.verb == "put")
    for name, channel in program.channels.items():
        if channel.capacity is not None and n_puts[name] + channel.initial > channel.capacity:
            yield "a put to %s may park" % name
    for name, readers in users(program, "get").items():
        if len(readers) > 1 and name not in program.pools():
            yield "%s has several readers" % name
    for name, threads in users(program, "submit").items():
        if len(threads) > 1:
            yield "%s works for several threads" % name
    for name, threads in users(program, "arrive").items():
        if len(threads) != program.barriers[name]:
            yield "%s has another number of threads than parties" % name
    if any(op.verb in ("clear", "until") for op in program.ops()):
        yield "an event is cleared"


def why_pools(program):
    pools = set(program.pools())
    if any(program.channels[name].lifo for name in pools):
        yield "a pool is lifo"
    last = set()  # items that end who draws them
    for thread in program.threads:
        drawn = [(at, op) for at, op in enumerate(thread.ops) if is_pool_get(program, op)]
        if not drawn:
            continue
        if len({op.name for _, op in drawn}) > 1:
            yield "%s reads several pools" % thread.name
        last.add((drawn[-1][1].name, drawn[-1][1].item))
        if any(may_park(program, op) for op in thread.ops[drawn[0][0]:] if not is_pool_get(program, op)):
            yield "an item waits for others"
    for name in pools:
        putters = [[(name, op.item) in last for op in thread.ops if op.verb == "put" and op.name == name]
                   for thread in program.threads]
        putters = [ends for ends in putters if ends]
        if len(putters) > 1 or any(ends != sorted(ends) for ends in putters):
            yield "a worker may end while there are items"


def why_machine(program, machine):
    if machine.lock == "none":
        yield "locks are free"
    if machine.wake_ns:
        yield "time to wake"


def stretch(machine, n_threads):
    """While n compute at once, what they all do and what one of them does come to at least 1/stretch together."""
    cap = [machine.cap(n) for n in range(1, min(machine.cores, n_threads) + 1)]
    return max([fractions.Fraction(1)] + [1 / (c / machine.cap(machine.cores) + c / n) for n, c in enumerate(cap, 1)])


def bounds(program, machine):
    run = Relaxed(program, machine).run()
    work = sum(ticks(op.ns * machine.s) if op.verb == "py" else op.ns * TICK
               for op in program.ops() if op.verb in programs.COMPUTING)
    pools = {name: fractions.Fraction(time, len(run.readers[name])) for name, time in run.pools_ns.items()}
    per_core = work / machine.cap(machine.cores)
    why = [reason for reasons in (why_locks(program), why_channels(program), why_pools(program),
                                  why_machine(program, machine)) for reason in reasons]
    free = set(run.locks_ns if machine.lock == "none" else signals(program))  # who does not exclude others is no bound
    locks = {name: time for name, time in run.locks_ns.items() if name not in free}
    parts = [per_core / SWITCHING, run.now,
             *locks.values(), *pools.values(), *run.waits_ns.values()]

    py_ns = sum(op.ns for op in program.ops() if op.verb == "py")
    pauses_ns = (py_ns // machine.gc_every_ns + 1) * machine.gc_pause_ns if machine.gc_every_ns else 0

    def ns(value):
        return float(value / TICK)

    return {"work_ns": ns(work), "critical_path_ns": ns(run.now), "deadlock": run.deadlock,
            "locks_ns": {name: ns(time) for name, time in locks.items()},
            "pools_ns": {name: ns(time) for name, time in pools.items()},
            "lo_ns": ns(max([per_core, run.now, *pools.values(), *locks.values()])),
            "hi_ns": None if why else ns(sum(parts) * stretch(machine, len(program.threads))) + pauses_ns,
            "why_no_hi": why}
