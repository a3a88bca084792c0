# SPDX-License-Identifier: MIT
"""What a program does on a machine without the GIL, and with it: analyzer/whatif/README.md, as plainly as possible.

  free(program, machine)   without: what gilscope's replay has to say
  gil(program, machine)    with: what a recorder would have seen, `.trace` is the program as this run executed it

All rates are worked out anew at each step. Time is counted in ticks of 2^-16 ns, in whole numbers. A tie is exact where
both sides come from the same sums; where rounding may decide what came first, `.close` is set: another implementation
may then take the other order, and be as right.
"""
import collections
import copy
import fractions
import itertools

import program as programs

TICK = 1 << 16  # per ns
CLOSE = TICK // 16  # what rounding may come to, in a replay of coarser ticks too
HAND_OFF = 1_000_000 * TICK
SWITCHING = fractions.Fraction(3000, 3004)


def ticks(ns):
    return round(fractions.Fraction(ns) * TICK)


def exactly(number):
    """The nearest 1024th: a speed that no replay has to round."""
    return fractions.Fraction(round(fractions.Fraction(str(number)) * 1024), 1024)


class Machine:
    def __init__(self, cores=2, cap=None, s=1, lock="fifo", wake_ns=0, gc_every_ns=0, gc_pause_ns=0):
        self.cores, self.lock, self.wake_ns = cores, lock, wake_ns
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
    """A thread in a run. state: late, ready, py, native, asleep, parked, ended"""

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
        self.close |= abs(waited - limit) <= CLOSE and base != self.base
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
        self.close |= abs(until - self.now) <= CLOSE and self.base != 0
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


def quotient(a, b):
    """Rounded, of whole numbers."""
    return (2 * a + b) // (2 * b)


def time_for(work, rate):
    return quotient(work * rate.denominator, rate.numerator)


def work_in(time, rate):
    return quotient(time * rate.numerator, rate.denominator)


class Free(World):
    """Without a GIL: who is ready steps."""

    def __init__(self, program, machine):
        super().__init__(program, machine)
        self.work_base = 0  # of what is computed: sums of CPU time, where `base` is about sums of time
        self.pause_ends = self.pause_base = None
        self.done, self.next_gc = 0, ticks(machine.gc_every_ns * machine.s)
        self.ready = collections.deque(thread for thread in self.threads if thread.state == "ready")

    def ready_now(self, thread):
        thread.state = "ready"
        self.ready.append(thread)

    def ready_soon(self, thread):
        if self.machine.wake_ns:
            self.sleep(thread, self.now + self.machine.wake_ns * TICK)
        else:
            self.ready_now(thread)

    def compute(self, thread, verb, left):
        thread.base = self.work_base
        return super().compute(thread, verb, left)

    def run(self):
        while True:
            while self.ready and self.pause_ends is None:
                self.resume(self.ready.popleft())
            if self.is_over():
                break
            if not self.advance():
                self.deadlock = True
                break
        return self

    def moments(self, running, rate):
        """(when, base, CPU time of each until then, base of that) of all that may come next; base None: rounded."""
        even = rate == 1
        for thread in running:
            base = self.base if even and thread.base == self.work_base else None
            yield self.now + time_for(thread.left, rate), base, thread.left, thread.base
        n_py = sum(thread.state == "py" for thread in running)
        if self.machine.gc_every_ns and n_py:
            need = -((self.done - self.next_gc) // n_py)
            yield self.now + time_for(need, rate), None, need, None
        sleeps = [(thread.ends, thread.base) for thread in self.threads if thread.state == "asleep"]
        if self.pause_ends is not None:
            sleeps.append((self.pause_ends, self.pause_base))
        for ends, base in sleeps:
            work_base = self.work_base if even and base == self.base else None
            yield ends, base, work_in(ends - self.now, rate), work_base

    def look_for_close_ones(self, moments, first):
        """Whether rounding may have decided that the first was the first."""
        for other in moments:
            if other is not first and other[0] - first[0] <= CLOSE:
                self.close |= not any(a is not None and a == b for a, b in zip(first[1::2], other[1::2]))

    def advance(self):
        """To the next moment at which something ends; whether there is one."""
        running = [t for t in self.threads if t.state == "native" or t.state == "py" and self.pause_ends is None]
        rate = self.machine.rate(len(running)) if running else fractions.Fraction(1)
        moments = list(self.moments(running, rate))
        if not moments:
            return False
        first = min(moments, key=lambda moment: moment[0])
        first = min((m for m in moments if m[0] == first[0]), key=lambda moment: moment[2])
        self.look_for_close_ones(moments, first)
        self.now, base, work, work_base = first
        self.base = next(self.bases) if base is None else base
        self.work_base = next(self.bases) if work_base is None else work_base
        self.progress(running, min([work] + [thread.left for thread in running]))
        self.pause_or_go_on()
        self.wake_those_who_slept()
        return True

    def progress(self, running, work):
        for thread in running:
            thread.left -= work
            self.done += work * (thread.state == "py")
        for thread in running:
            if not thread.left:
                self.ready_now(thread)

    def wake_those_who_slept(self):
        for thread in self.threads:
            if thread.state == "asleep" and thread.ends <= self.now:
                self.ready_now(thread)

    def pause_or_go_on(self):
        if self.pause_ends == self.now:
            self.pause_ends = None
            self.work_base = next(self.bases)
        elif self.machine.gc_every_ns and self.done >= self.next_gc:
            self.next_gc += ticks(self.machine.gc_every_ns * self.machine.s)
            self.begin_pause()

    def begin_pause(self):
        pause = self.machine.gc_pause_ns * TICK
        self.total["gc"] += pause
        if not pause:
            return
        self.pause_ends, self.pause_base = self.now + pause, self.base
        new = Things(lambda _: next(self.bases))  # who computes natively leaves the others behind
        for thread in self.threads:
            if thread.state == "native":
                thread.base = new[thread.base]
        self.work_base = new[self.work_base]


class Gil(World):
    """With a GIL: who has it steps; native code, sleep and waiting are done without it."""

    def __init__(self, program, machine, switch_ns):
        super().__init__(program, machine.but(s=fractions.Fraction(1), wake_ns=0, gc_every_ns=0))
        self.switch = switch_ns * TICK
        self.holder, self.held_since = None, 0
        self.queue = collections.deque()
        for thread in self.threads:
            if thread.state == "ready":
                self.ready_now(thread)

    def ready_now(self, thread):
        thread.state, thread.wants = "gil", self.now
        self.queue.append(thread)

    ready_soon = ready_now

    def run(self):
        while True:
            self.settle()
            if self.is_over():
                break
            if not self.advance():
                self.deadlock = True
                break
        return self

    def settle(self):
        """Hands the GIL on at this moment until whoever has it computes."""
        while self.queue and (self.holder is None or self.holder.state != "py"):
            thread = self.holder = self.queue.popleft()
            self.total["gil"] += self.now - thread.wants
            self.held_since = self.now
            if thread.left:  # it was made to drop the GIL
                thread.state = "py"
            else:
                self.resume(thread)

    def advance(self):
        running = [thread for thread in self.threads if thread.state in ("py", "native")]
        rate = self.machine.rate(len(running)) if running else fractions.Fraction(1)
        forced = self.forced_at() if self.holder is not None and self.holder.state == "py" and self.queue else None
        ends = [self.now + time_for(thread.left, rate) for thread in running]
        moments = ends + [t.ends for t in self.threads if t.state == "asleep"] + [forced] * (forced is not None)
        if not moments:
            return False
        first = min(moments)
        work = work_in(first - self.now, rate)
        self.now = first
        for thread, its_end in zip(running, ends):
            thread.left = 0 if its_end == first else max(1, thread.left - work)
        self.move(running, forced == first)
        return True

    def forced_at(self):
        return max(self.queue[0].wants, self.held_since) + self.switch

    def move(self, running, forced):
        for thread in running:
            if thread.state == "native" and not thread.left:
                self.ready_now(thread)
        for thread in self.threads:
            if thread.state == "asleep" and thread.ends <= self.now:
                self.ready_now(thread)
        holder = self.holder
        if holder is not None and holder.state == "py":
            if not holder.left:
                self.resume(holder)
            elif forced:
                self.ready_now(holder)


def coalesced(ops):
    """Computing of one kind that nothing interrupts is one piece, to a recorder."""
    pieces = []
    for op in ops:
        if pieces and op.verb in programs.COMPUTING and op.verb == pieces[-1].verb:
            pieces[-1] = op._replace(ns=pieces[-1].ns + op.ns)
        else:
            pieces.append(op)
    return pieces


def with_threads(program, ops):
    """The same objects; ops: a list for each thread."""
    other = programs.Program()
    other.channels, other.barriers = program.channels, program.barriers
    for thread, its_ops in zip(program.threads, ops):
        other.thread(thread.name, thread.late).ops = its_ops
    return other


def coalesced_program(program):
    return with_threads(program, [coalesced(thread.ops) for thread in program.threads])


def free(program, machine):
    world = Free(program, machine).run()
    return {**world.result(), "close": world.close}


def gil(program, machine, switch_ns=5_000_000):
    """As free(); with gil_ns, how long threads waited for the GIL, and `trace`, the program as it was seen."""
    world = Gil(program, machine, switch_ns).run()
    trace = with_threads(program, [coalesced(thread.trace) for thread in world.threads])
    return {**world.result(), "gil_ns": quotient(world.total["gil"], TICK), "trace": trace}
