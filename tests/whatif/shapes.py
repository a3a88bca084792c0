# SPDX-License-Identifier: MIT
"""Programs of the shapes that threads come in, from a seed: SHAPES[name](rng, n), n threads of the main kind.

Durations are log-normal, whole nanoseconds. All are free of deadlocks under every schedule.
"""
import math

import program as programs

US = 1000


def about(rng, ns, spread=0.5):
    return max(1, round(ns * math.exp(rng.gauss(0, spread))))


def with_main(build):
    """A thread "main" that starts all others and joins them; what build() returns is done in between."""

    def shape(rng, n):
        program = programs.Program()
        main = program.thread("main")
        main.py(about(rng, 20 * US))
        then = build(program, rng, n)
        workers = [thread for thread in program.threads if thread is not main and thread.late]
        for thread in workers:
            main.py(about(rng, 5 * US)).add("start", thread.name)
        if then is not None:
            then(main)
        for thread in workers:
            main.add("join", thread.name)
        main.py(about(rng, 10 * US))
        return program

    shape.__name__ = build.__name__
    return shape


def workers_of(program, n, name="w"):
    return [program.thread("%s%d" % (name, i), late=True) for i in range(n)]


@with_main
def parallel(program, rng, n):
    for thread in workers_of(program, n):
        for _ in range(rng.randint(3, 8)):
            thread.py(about(rng, 3000 * US))


@with_main
def counter(program, rng, n):
    share = rng.choice([0.01, 0.05, 0.2, 0.5])
    for thread in workers_of(program, n):
        for _ in range(12):
            period_ns = about(rng, 400 * US)
            thread.py(max(1, round(period_ns * (1 - share)))).add("acquire", "L")
            thread.py(max(1, round(period_ns * share))).add("release", "L")


@with_main
def nested(program, rng, n):
    for thread in workers_of(program, n):
        for _ in range(8):
            names = sorted(rng.sample(range(4), rng.randint(1, 3)))
            thread.py(about(rng, 200 * US))
            for name in names:
                thread.add("acquire", "L%d" % name).py(about(rng, 20 * US))
            if rng.random() < 0.3:
                thread.latency(about(rng, 50 * US))
            for name in reversed(names):
                thread.add("release", "L%d" % name)


@with_main
def producers(program, rng, n):
    """Half of them put into a bounded queue what the others take, each its share."""
    queue = program.channel("Q", capacity=rng.choice([1, 4, 16]))
    threads = workers_of(program, max(2, n))
    makers, takers = threads[:len(threads) // 2], threads[len(threads) // 2:]
    share = 6 * len(makers)
    for thread in makers:
        for _ in range(6 * len(takers)):
            thread.py(about(rng, 100 * US)).add("put", queue)
    for thread in takers:
        for _ in range(share):
            thread.add("get", queue).py(about(rng, 120 * US))


@with_main
def consumers(program, rng, n):
    """One producer, a bounded pool of consumers, each ended by an item of its own."""
    pool = program.channel("P", capacity=rng.choice([None, 2, 8]), pool=True)
    threads, n_items = workers_of(program, n), 10 * n
    for i in range(n_items):
        thread = rng.choice(threads)
        thread.add("get", pool, item=i).py(about(rng, 300 * US, 0.8))
        if rng.random() < 0.5:
            thread.add("acquire", "L").py(about(rng, 10 * US)).add("release", "L")
    for i, thread in enumerate(threads):
        thread.add("get", pool, item=n_items + i)

    def then(main):
        for i in range(n_items + n):
            main.py(about(rng, 15 * US)).add("put", pool, item=i)

    return then


@with_main
def io_and_cpu(program, rng, n):
    for thread in workers_of(program, 2 * n):
        for _ in range(8):
            thread.latency(about(rng, 800 * US)).py(about(rng, 300 * US))


@with_main
def native(program, rng, n):
    share = rng.choice([0.1, 0.5, 0.9])
    for thread in workers_of(program, n):
        for _ in range(10):
            period_ns = about(rng, 600 * US)
            thread.native(max(1, round(period_ns * share))).py(max(1, round(period_ns * (1 - share))))


@with_main
def loader(program, rng, n):
    """Indices to workers that read and decode, batches taken in order by who also waits for a device."""
    pool, n_items = program.channel("index", pool=True), 5 * n
    threads = workers_of(program, n)
    for i in range(n_items):
        thread = threads[i % n]
        thread.add("get", pool, item=i).latency(about(rng, 400 * US)).native(about(rng, 300 * US))
        thread.py(about(rng, 200 * US)).add("set", "done%d" % i)
    for i, thread in enumerate(threads):
        thread.add("get", pool, item=n_items + i)
    ahead = min(n_items, 2 * n)

    def then(main):
        for i in range(ahead):
            main.py(2 * US).add("put", pool, item=i)
        for i in range(n_items):
            main.add("wait", "done%d" % i).py(about(rng, 30 * US))
            if i + ahead < n_items:
                main.add("put", pool, item=i + ahead)
            main.add("submit", "gpu", ns=about(rng, 150 * US))
            if i % 4 == 3:
                main.add("sync", "gpu")
        for i in range(n):
            main.add("put", pool, item=n_items + i)
        main.add("sync", "gpu")

    return then


@with_main
def loop(program, rng, n):
    """An event loop: what a pool of threads has done comes back as a callback, which makes new work."""
    pool, back = program.channel("work", pool=True), program.channel("callbacks")
    threads, n_items = workers_of(program, n), 8 * n
    for i in range(n_items):
        thread = threads[i % n]
        thread.add("get", pool, item=i).py(about(rng, 50 * US)).latency(about(rng, 300 * US))
        thread.py(about(rng, 150 * US)).add("put", back)
    for i, thread in enumerate(threads):
        thread.add("get", pool, item=n_items + i)

    def then(main):
        for i in range(n):
            main.py(about(rng, 10 * US)).add("put", pool, item=i)
        for i in range(n_items):
            main.add("get", back).py(about(rng, 40 * US))
            if n + i < n_items:
                main.add("put", pool, item=n + i)
        for i in range(n):
            main.add("put", pool, item=n_items + i)

    return then


@with_main
def phases(program, rng, n):
    """Threads that meet at a barrier after each phase, one of them with more to do."""
    barrier = program.barrier("B", n)
    threads = workers_of(program, n)
    for _ in range(6):
        slow = rng.randrange(n)
        for i, thread in enumerate(threads):
            thread.py(about(rng, 200 * US) * (3 if i == slow else 1)).add("arrive", barrier)


@with_main
def imbalanced(program, rng, n):
    """A pool with few long items among many short ones, all put at once."""
    pool, n_items = program.channel("P", pool=True), 6 * n
    threads = workers_of(program, n)
    for i in range(n_items):
        thread = threads[i % n]
        thread.add("get", pool, item=i).py(about(rng, (1500 if rng.random() < 0.1 else 100) * US))
    for i, thread in enumerate(threads):
        thread.add("get", pool, item=n_items + i)

    def then(main):
        for i in range(n_items + n):
            main.add("put", pool, item=i)
        main.py(about(rng, 100 * US))

    return then


@with_main
def semaphore(program, rng, n):
    """So many at a time, as a connection pool lets in."""
    gate = program.channel("gate", initial=max(1, n // 2))
    for thread in workers_of(program, n):
        for _ in range(6):
            thread.py(about(rng, 100 * US)).add("get", gate).latency(about(rng, 300 * US))
            thread.py(about(rng, 50 * US)).add("put", gate)


@with_main
def server(program, rng, n):
    """Requests come at times of their own; a thread takes them in, a pool of workers answers them."""
    pool, n_items = program.channel("requests", pool=True), 12 * n
    threads, came_ns, comes_ns = workers_of(program, n), [], 0
    for _ in range(n_items):
        comes_ns += about(rng, 200 * US)
        came_ns.append(comes_ns)
    for i in range(n_items):
        thread = threads[i % n]
        thread.add("get", pool, item=i).py(about(rng, 60 * US)).latency(about(rng, 100 * US))
        thread.py(about(rng, 40 * US)).mark(came_ns[i])
    for i, thread in enumerate(threads):
        thread.add("get", pool, item=n_items + i)

    def then(main):
        for i in range(n_items):
            main.until(came_ns[i]).py(about(rng, 10 * US)).add("put", pool, item=i)
        for i in range(n):
            main.add("put", pool, item=n_items + i)

    return then


SHAPES = {shape.__name__: shape for shape in (parallel, counter, nested, producers, consumers, io_and_cpu, native,
                                              loader, loop, phases, imbalanced, semaphore,
                                              server)}


def collections_of(rng):
    """For a Machine: a collection each few milliseconds of Python."""
    return {"gc_every_ns": about(rng, 3000 * US), "gc_pause_ns": about(rng, 200 * US)}
