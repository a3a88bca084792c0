# SPDX-License-Identifier: MIT
"""The machine, the threads and what they wait for: the part of truth.py that is the same with and without a GIL."""
import collections
import copy
import fractions
import itertools

import program as programs

TICK = 1 << 16  # per ns
CLOSE = TICK // 16  # what rounding may come to, in a replay of coarser ticks too
CLOSE_SLICED = TICK  # and where it comes with each slice that ends, of few
HAND_OFF = 1_000_000 * TICK
SWITCHING = fractions.Fraction(3000, 3004)


def ticks(ns):
    return round(fractions.Fraction(ns) * TICK)


def exactly(number):
    """The nearest 1024th: a speed that no replay has to round."""
    return fractions.Fraction(round(fractions.Fraction(str(number)) * 1024), 1024)


class Machine:
    def __init__(self, cores=2, cap=None, s=1, lock="fifo", wake_ns=0, gc_every_ns=0, gc_pause_ns=0, slice_ns=0):
        self.cores, self.lock, self.wake_ns, self.slice_ns = cores, lock, wake_ns, slice_ns
        self.caps = [fractions.Fraction(str(c)) for c in cap or range(1, cores + 1)]
        self.s = fractions.Fraction(str(s))
        self.gc_every_ns, self.gc_pause_ns = gc_every_ns, gc_pause_ns

    def cap(self, k):
        return self.caps[min(k, len(self.caps)) - 1]

    def rate(self, n):
        """How fast each of n computing threads progresses."""
        rate = self.cap(min(n, self.cores)) / max(n, 1)
        return rate * SWITCHING if n > self.cores else rate

    def but(self, **changes):
        other = copy.copy(self)
        other.__dict__.update(changes)
        return other


class Runner:
    """A thread in a run. state: late, ready, py, native, runnable (waits for a core), asleep, parked, ended"""

    def __init__(self, place, thread):
        self.place, self.name, self.ops, self.at = place, thread.name, thread.ops, 0
        self.state = "late" if thread.late else "ready"
        self.left = 0  # to compute, ticks of CPU time
        self.ends = 0  # when it has slept enough
        self.base = 0  # what its sums began with: `left` or `ends` of the same base compare exactly
        self.began = self.ended = 0
        self.joiners, self.trace = collections.deque(), []
        self.again = None  # the lock that it was woken to ask for again
        self.asked = self.timeout = None  # when it first asked for what it waits for
        self.parked = None  # since when, for what; the last time
        self.has_core, self.slice = False, None  # since when, of which base
        self.wants = None  # runnable: what it will compute, since when, whether `left` is an exact sum


class Lock:
    def __init__(self):
        self.owner, self.since, self.queue = None, 0, collections.deque()


class Queue:
    def __init__(self, channel):
        self.channel, self.items = channel, collections.deque([None] * channel.initial)
        self.getters, self.putters = collections.deque(), collections.deque()

    def full(self):
        return self.channel.capacity is not None and len(self.items) >= self.channel.capacity


class Event:
    def __init__(self):
        self.is_set, self.queue = False, collections.deque()


class Things(dict):
    """What threads wait for, made when first used."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, name):
        self[name] = self.make(name)
        return self[name]


class World:
    """The primitives. do_VERB(thread, op) says whether the thread goes on at once."""

    def __init__(self, program, machine):
        self.machine, self.now, self.base, self.bases = machine, 0, 0, itertools.count(1)
        self.threads = [Runner(place, thread) for place, thread in enumerate(program.threads)]
        self.by_name = {thread.name: thread for thread in self.threads}
        self.locks, self.events = Things(lambda _: Lock()), Things(lambda _: Event())
        self.queues = Things(lambda name: Queue(program.channels.get(name) or programs.Channel()))
        self.parties, self.barriers = program.barriers, Things(lambda _: collections.deque())
        self.devices = collections.Counter()  # when each has done its work
        self.parked, self.hold, self.total = collections.Counter(), collections.Counter(), collections.Counter()
        self.flips, self.close, self.deadlock = 0, False, False
        self.rounding = CLOSE_SLICED if machine.slice_ns else CLOSE
        marks = [(id(thread.ops), at) for thread in program.threads for at, op in enumerate(thread.ops)
                 if op.verb == "mark"]
        self.mark_number = {place: number for number, place in enumerate(marks)}
        self.marks = {}
        self.behind = {(op.name, op.item): (thread.ops, at + 1) for thread in program.threads
                       for at, op in enumerate(thread.ops)
                       if op.verb == "get" and op.item is not None and self.is_pool(op)}

    def is_pool(self, op):
        return self.queues[op.name].channel.pool

    # ---- going on and waiting ----

    def resume(self, thread):
        if thread.again:
            if not self.ask(thread, *thread.again):
                return
            self.has_it(thread)
        self.go(thread)

    def has_it(self, thread):
        """What it waited for: whether that took too long counts from when it first asked."""
        if thread.timeout is not None:
            waited = self.now - thread.asked[0]
            self.flips += self.reaches(waited, thread.timeout * TICK + 1, thread.asked[1])
        thread.again = thread.asked = thread.timeout = None

    def go(self, thread):
        while thread.at < len(thread.ops):
            op = thread.ops[thread.at]
            thread.at += 1
            thread.trace.append(op)
            if not getattr(self, "do_" + op.verb)(thread, op):
                return
        self.end(thread)

    def end(self, thread):
        thread.state, thread.ended = "ended", self.now
        while thread.joiners:
            self.wake(thread.joiners.popleft())

    def reaches(self, waited, limit, base):
        """Whether a wait from a moment of that base until now is as long as the limit."""
        self.close |= abs(waited - limit) <= self.rounding and base != self.base
        return waited >= limit

    def park(self, thread, queue, op, entry=None):
        thread.state, thread.parked = "parked", (self.now, op.name)
        if thread.asked is None:
            thread.asked, thread.timeout = (self.now, self.base), op.timeout_ns
        queue.append(entry or thread)
        return False

    def wake(self, thread):
        since, name = thread.parked
        self.parked[name] += self.now - since
        if not thread.again:
            self.has_it(thread)
        self.ready_soon(thread)

    def sleep(self, thread, until):
        thread.state, thread.ends, thread.base = "asleep", until, self.base
        return False

    # ---- locks ----

    def ask(self, thread, lock, op):
        if lock.owner is None:
            lock.owner, lock.since = thread, self.now
            return True
        thread.again = None
        return self.park(thread, lock.queue, op)

    def do_acquire(self, thread, op):
        lock = self.locks[op.name]
        return self.machine.lock == "none" or self.ask(thread, lock, op)

    def do_release(self, thread, op):
        lock = self.locks[op.name]
        if lock.owner is not None:
            self.hold[op.name] += self.now - lock.since
        lock.owner = None
        if lock.queue:
            first = lock.queue.popleft()
            if self.machine.lock == "fifo" or self.reaches(self.now - first.asked[0], HAND_OFF, first.asked[1]):
                lock.owner, lock.since = first, self.now
            else:
                first.again = lock, op
            self.wake(first)
        return True

    # ---- channels ----

    def deal(self, thread, queue, item):
        thread.trace[-1] = thread.trace[-1]._replace(item=item)
        if queue.channel.pool:
            thread.ops, thread.at = self.behind.get((thread.trace[-1].name, item), ((), 0))

    def do_put(self, thread, op):
        queue = self.queues[op.name]
        if queue.getters:
            getter = queue.getters.popleft()
            self.deal(getter, queue, op.item)
            self.wake(getter)
        elif queue.full():
            return self.park(thread, queue.putters, op, (thread, op.item))
        else:
            queue.items.append(op.item)
        return True

    def do_get(self, thread, op):
        queue = self.queues[op.name]
        if not queue.items:
            return self.park(thread, queue.getters, op)
        self.deal(thread, queue, queue.items.pop() if queue.channel.lifo else queue.items.popleft())
        if queue.putters:
            putter, item = queue.putters.popleft()
            queue.items.append(item)
            self.wake(putter)
        return True

    # ---- events, barriers, threads, devices ----

    def do_set(self, thread, op):
        event = self.events[op.name]
        event.is_set = True
        while event.queue:
            self.wake(event.queue.popleft())
        return True

    def do_clear(self, thread, op):
        self.events[op.name].is_set = False
        return True

    def do_wait(self, thread, op):
        event = self.events[op.name]
        return event.is_set or self.park(thread, event.queue, op)

    def do_arrive(self, thread, op):
        here = self.barriers[op.name]
        if len(here) + 1 < self.parties[op.name]:
            return self.park(thread, here, op)
        while here:
            self.wake(here.popleft())
        return True

    def do_start(self, thread, op):
        other = self.by_name[op.name]
        assert other.state == "late", "%s is started twice" % op.name
        other.state, other.began = "ready", self.now
        self.ready_now(other)
        return True

    def do_join(self, thread, op):
        other = self.by_name[op.name]
        return other.state == "ended" or self.park(thread, other.joiners, op)

    def do_submit(self, thread, op):
        self.devices[op.name] = max(self.now, self.devices[op.name]) + op.ns * TICK
        return True

    def do_sync(self, thread, op):
        until = self.devices[op.name]
        if until <= self.now:
            return True
        self.parked[op.name] += until - self.now
        return self.sleep(thread, until)

    # ---- what takes time ----

    def do_latency(self, thread, op):
        self.total["latency"] += op.ns * TICK
        return not op.ns or self.sleep(thread, self.now + op.ns * TICK)

    def do_until(self, thread, op):
        until = op.ns * TICK
        self.close |= abs(until - self.now) <= self.rounding and self.base != 0
        if until <= self.now:
            return True
        self.total["latency"] += until - self.now
        self.sleep(thread, until)
        thread.base = 0  # no sum of times but one from the start
        return False

    def do_mark(self, thread, op):
        self.marks[self.mark_number[id(thread.ops), thread.at - 1]] = self.now
        return True

    def compute(self, thread, verb, left):
        self.total[verb] += left
        thread.state, thread.left = (verb if left else thread.state), left
        return not left

    def do_py(self, thread, op):
        return self.compute(thread, "py", ticks(op.ns * self.machine.s))

    def do_native(self, thread, op):
        return self.compute(thread, "native", op.ns * TICK)

    # ---- the end ----

    def is_over(self):
        return all(thread.state in ("ended", "late") for thread in self.threads)

    def result(self):
        def ns(value):
            return round(fractions.Fraction(value, TICK))

        times, n = [ns(value) for value in sorted(self.marks.values())], len(self.mark_number)
        first, last = ((times[n // 8 : n // 8 + 1] or [None])[0], (times[n - 1 - n // 8 :] or [None])[0]) if n else (
            None, None)
        held = [(name, lock) for name, lock in self.locks.items() if lock.owner is not None]
        for name, lock in held:
            self.hold[name] += self.now - lock.since
        idle = sum(thread.began + (self.now - thread.ended if thread.state == "ended" else 0)
                   for thread in self.threads if thread.state != "late")
        return {"makespan_ns": ns(self.now), "gc_ns": ns(self.total["gc"]), "idle_ns": ns(idle), "flips": self.flips,
                **{kind + "_ns": ns(self.total[kind]) for kind in programs.TIMED}, "deadlock": self.deadlock,
                "mark_ns": {str(number): ns(value) for number, value in self.marks.items()},
                "mark_from_ns": first, "mark_to_ns": last,
                "parked_ns": {name: ns(value) for name, value in self.parked.items()},
                "hold_ns": {name: ns(value) for name, value in self.hold.items()}}
