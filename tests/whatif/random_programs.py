# SPDX-License-Identifier: MIT
"""random_program(seed): many kinds of operation mixed, and no deadlock under any schedule. random_machine(seed)

Why there is none: operations are written down in one order in which the program could run. What may wait for other
threads (a channel with one reader, and one writer where it is bounded; an event; a barrier of the same threads; a
join) stays possible once it is, so that one way to the end means that all ways lead there. Locks and semaphores are
asked for in the order of their names and held while nothing else is waited for. A channel with several readers is
filled by a thread that waits for locks alone; a pool's items wait for locks alone, and one thread puts them, those
that end workers last.
"""
import random

import program as programs
import shapes
import truth

US = 1000
EVEN_NS = [n * 20 * US for n in (1, 1, 2, 2, 3, 5, 10, 20)]


class Writer:
    def __init__(self, rng, ties):
        self.rng, self.ties, self.program = rng, ties, programs.Program()
        self.main = self.program.thread("main")
        self.active = [self.main]
        self.idle = [self.program.thread("t%d" % i, late=rng.random() < 0.4) for i in range(rng.randint(1, 6))]
        self.active += [thread for thread in self.idle if not thread.late]
        self.idle = [thread for thread in self.idle if thread.late]
        self.source = self.program.thread("source")
        self.n_names = self.n_shared_gets = 0
        self.queues, self.events, self.pools = {}, [], []

    def name(self, prefix):
        self.n_names += 1
        return "%s%d" % (prefix, self.n_names)

    def ns(self):
        if self.rng.random() < 0.02:
            return 0
        return self.rng.choice(EVEN_NS) if self.ties else shapes.about(self.rng, 60 * US, 1.0)

    def timeout(self):
        return self.rng.choice([None, None, 1000 * US, 100 * US])

    def one(self):
        return self.rng.choice(self.active)

    def two(self):
        return self.rng.sample(self.active, 2) if len(self.active) > 1 else None

    # ---- what one thread does ----

    def compute(self, thread):
        for _ in range(self.rng.randint(1, 3)):
            thread.add(self.rng.choice(["py", "py", "native", "latency"]), ns=self.ns())
        if self.rng.random() < 0.3:
            thread.mark()
        elif self.rng.random() < 0.1:
            thread.until(self.rng.randint(0, 4000 * US))

    def section(self, thread):
        names = ["L%d" % i for i in sorted(self.rng.sample(range(4), self.rng.choice([1, 1, 1, 2, 3])))]
        for name in names:
            thread.add("acquire", name, timeout_ns=self.timeout())
            if self.rng.random() < 0.8:
                thread.add(self.rng.choice(["py", "py", "native", "latency"]), ns=self.ns())
        if self.rng.random() < 0.2:
            thread.add("set", self.event())
        for name in self.rng.sample(names, len(names)):
            thread.add("release", name)

    def semaphore(self, thread):
        name = "S%d" % self.rng.randint(0, 1)
        if name not in self.program.channels:
            self.program.channel(name, initial=self.rng.randint(1, 3))
        thread.add("get", name, timeout_ns=self.timeout())
        self.rng.choice([self.compute, self.section])(thread)
        thread.add("put", name)

    def device(self, thread):
        name = "D%d" % self.rng.randint(0, 1)
        for _ in range(self.rng.randint(1, 3)):
            thread.add("submit", name, ns=self.ns())
        if self.rng.random() < 0.7:
            self.rng.choice([self.compute, self.section])(thread)
            thread.add("sync", name)

    def shared(self, thread):
        thread.add("get", "shared", timeout_ns=self.timeout())
        self.n_shared_gets += 1

    def event(self):
        self.events.append(self.name("E"))
        return self.events[-1]

    def set_or_wait(self, thread):
        if self.events and self.rng.random() < 0.7:
            thread.add("wait", self.rng.choice(self.events), timeout_ns=self.timeout())
        else:
            thread.add("set", self.event())

    # ---- what several do ----

    def start(self):
        if self.idle:
            thread = self.idle.pop()
            self.one().add("start", thread.name)
            self.active.append(thread)

    def message(self):
        pair = self.two()
        if pair is None:
            return
        key = tuple(thread.name for thread in pair)
        if key not in self.queues:
            capacity, lifo = self.rng.choice([None, 1, 2, 4]), self.rng.random() < 0.3
            self.queues[key] = [self.program.channel(self.name("Q"), capacity=capacity, lifo=lifo), capacity, 0]
        queue = self.queues[key]
        if queue[2] and (queue[2] == queue[1] or self.rng.random() < 0.4):
            pair[1].add("get", queue[0], timeout_ns=self.timeout())
            queue[2] -= 1
        else:
            pair[0].add("put", queue[0], item=self.rng.choice([None, self.rng.randint(0, 99)]))
            queue[2] += 1

    def meet(self):
        threads = self.rng.sample(self.active, self.rng.randint(1, len(self.active)))
        barrier = self.program.barrier(self.name("B"), len(threads))
        for _ in range(self.rng.randint(1, 3)):
            for thread in threads:
                if self.rng.random() < 0.5:
                    self.compute(thread)
                thread.add("arrive", barrier)

    def set_twice(self):
        pair = self.two()
        if pair is None:
            return
        event, barrier = self.name("C"), self.program.barrier(self.name("B"), 2)
        pair[0].add("set", event)
        pair[1].add("wait", event)
        for thread in pair:  # whoever comes last goes on first
            if self.rng.random() < 0.5:
                self.compute(thread)
            thread.add("arrive", barrier)
        pair[0].add("clear", event).py(self.ns()).add("set", event)
        pair[1].add("wait", event)

    def signal(self):
        """A lock that is released by another thread."""
        pair = self.two()
        if pair is None:
            return
        lock, queue = self.name("G"), self.name("Q")
        pair[0].add("acquire", lock).add("put", queue).add("acquire", lock).add("release", lock)
        pair[1].add("get", queue).py(self.ns()).add("release", lock)

    # ---- pools ----

    def pool(self):
        if len(self.pools) == 2:
            return
        owner, lifo = self.one(), self.rng.random() < 0.3
        capacity = self.rng.choice([None, None, 1, 3])
        name = self.program.channel(self.name("P"), capacity=capacity, lifo=lifo, pool=True)
        workers = [self.program.thread(self.name("w"), late=self.rng.random() < 0.5)
                   for _ in range(self.rng.randint(1, 4))]
        for worker in workers:
            if self.rng.random() < 0.3:
                self.compute(worker)
            if worker.late:
                owner.add("start", worker.name)
        self.pools.append({"name": name, "owner": owner, "workers": workers, "n": 0, "lifo": lifo})

    def item(self):
        if not self.pools:
            return
        pool = self.rng.choice(self.pools)
        worker, number = self.rng.choice(pool["workers"]), pool["n"]
        pool["n"] += 1
        worker.add("get", pool["name"], item=number)
        self.rng.choice([self.compute, self.compute, self.section])(worker)
        worker.add("put", "done-" + pool["name"])
        pool["owner"].add("put", pool["name"], item=number)
        if self.rng.random() < 0.3:
            worker.add("set", self.event())

    def finish_pool(self, pool):
        owner = pool["owner"]
        if pool["lifo"] or self.rng.random() < 0.5:
            for _ in range(pool["n"]):
                owner.add("get", "done-" + pool["name"])
        for i, worker in enumerate(pool["workers"]):
            number = pool["n"] + i
            worker.add("get", pool["name"], item=self.rng.choice([number, number, None]))
            owner.add("put", pool["name"], item=number if worker.ops[-1].item is not None else
                      self.rng.choice([number, None]))

    # ---- all of it ----

    def act(self):
        alone = [self.compute, self.compute, self.section, self.section, self.section, self.semaphore, self.device,
                 self.shared, self.set_or_wait]
        several = [self.start, self.message, self.message, self.message, self.meet, self.set_twice, self.signal,
                   self.pool, self.item, self.item, self.item]
        if self.rng.random() < 0.55:
            self.rng.choice(alone)(self.one())
        else:
            self.rng.choice(several)()
        if self.rng.random() < 0.1:
            self.rng.choice([self.compute, self.section])(self.source)

    def finish(self):
        for pool in self.pools:
            self.finish_pool(pool)
        for thread in self.program.threads:
            if thread is not self.main and thread not in self.idle and self.rng.random() < 0.7:
                self.main.add("join", thread.name)
        for _ in range(self.n_shared_gets + self.rng.randint(0, 2)):
            self.source.py(self.ns()).add("put", "shared")


def random_program(seed):
    rng = random.Random("program %d" % seed)
    writer = Writer(rng, ties=rng.random() < 0.4)
    for _ in range(rng.choice([5, 20, 60, 120])):
        writer.act()
    writer.finish()
    return writer.program


def random_machine(seed):
    rng = random.Random("machine %d" % seed)
    cores = rng.choice([1, 2, 2, 3, 4, 8, 16])
    cap = None if rng.random() < 0.5 else sublinear(cores, rng.choice(["0.7", "0.9", "0.97"]))
    collect = {}
    if rng.random() < 0.2:
        collect = {"gc_every_ns": shapes.about(rng, 300 * US), "gc_pause_ns": shapes.about(rng, 50 * US)}
    s, lock = truth.exactly(rng.choice(["1", "1", "0.8", "1.35"])), rng.choice(["fifo", "barge", "barge", "none"])
    wake_ns = rng.choice([0, 0, 0, 5 * US, 60 * US])
    slice_ns = rng.choice([0, 20 * US, 300 * US, 3000 * US])
    return truth.Machine(cores, cap, s, lock, wake_ns, slice_ns=slice_ns, **collect)


def sublinear(cores, share):
    """Each core more brings a share of what the one before brought."""
    caps, more = [1], 1
    for _ in range(cores - 1):
        more *= float(share)
        caps.append(truth.exactly(float(caps[-1]) + more))
    return caps
