# SPDX-License-Identifier: MIT
"""What a program does on a machine without the GIL, and with it: analyzer/whatif/README.md, as plainly as possible.

  free(program, machine)   without: what gilscope's replay has to say
  gil(program, machine)    with: what a recorder would have seen, `.trace` is the program as this run executed it

All rates are worked out anew at each step. Time is counted in ticks of 2^-16 ns, in whole numbers. A tie is exact where
both sides come from the same sums; where rounding may decide what came first, `.close` is set: another implementation
may then take the other order, and be as right.
"""
import collections
import fractions

import program as programs
from world import TICK, Machine, Things, World, exactly, ticks  # noqa: F401 (Machine, exactly: for users of this)


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
        self.runnable, self.cores_left, self.slice = collections.deque(), machine.cores, machine.slice_ns * TICK
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
        goes_on = super().compute(thread, verb, left)
        if left and self.slice and not thread.has_core:
            self.want_core(thread, True)
        return goes_on

    # ---- cores, with slices ----

    def want_core(self, thread, exact):
        thread.state, thread.wants = "runnable", (thread.state, self.now, exact)
        self.runnable.append(thread)

    def give_cores(self):
        while self.cores_left and self.runnable:
            thread = self.runnable.popleft()
            thread.state, _, exact = thread.wants
            thread.base = self.work_base if exact else next(self.bases)
            thread.has_core, thread.slice = True, (self.now, self.base)
            self.cores_left -= 1

    def leave_core(self, thread):
        self.cores_left += thread.has_core
        thread.has_core = False

    def computing(self):
        return [t for t in self.threads if t.state == "native" or t.state == "py" and self.pause_ends is None]

    def slice_ends(self, thread):
        since, _ = thread.slice
        return since + ((self.now - since) // self.slice + 1) * self.slice

    def end_slices(self):
        """Each who has waited for a core takes that of one whose slice is over, the first in the program first."""
        for _ in range(sum(thread.wants[1] < self.now for thread in self.runnable)):
            over = [t for t in self.computing() if t.slice[0] < self.now and (self.now - t.slice[0]) % self.slice == 0]
            if not over:
                break
            self.leave_core(over[0])
            self.want_core(over[0], over[0].base == self.work_base)
            self.give_cores()

    def run(self):
        while True:
            while self.ready and self.pause_ends is None:
                thread = self.ready.popleft()
                self.resume(thread)
                if thread.state not in programs.COMPUTING:
                    self.leave_core(thread)
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
        elif self.runnable:
            sleeps += [(self.slice_ends(thread), thread.slice[1]) for thread in running]
        for ends, base in sleeps:
            work_base = self.work_base if even and base == self.base else None
            yield ends, base, work_in(ends - self.now, rate), work_base

    def look_for_close_ones(self, moments, first):
        """Whether rounding may have decided that the first was the first."""
        for other in moments:
            if other is not first and other[0] - first[0] <= self.rounding:
                self.close |= not any(a is not None and a == b for a, b in zip(first[1::2], other[1::2]))

    def advance(self):
        """To the next moment at which something ends; whether there is one."""
        if self.pause_ends is None:
            self.give_cores()
        running = self.computing()
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
        if self.slice and self.pause_ends is None:
            self.end_slices()
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
