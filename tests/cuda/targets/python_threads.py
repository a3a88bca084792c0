# SPDX-License-Identifier: MIT
"""Python's own threads, each with random allocations of many kinds, of which another thread may free
any. Prints what lives, as JSON. usage: python_threads.py THREADS OPERATIONS [--hold-gil]"""
import json
import random
import sys
import threading

import cu

driver = cu.Driver("proc", "--hold-gil" in sys.argv)
KINDS = [((), "cuMemAlloc", driver.free), ((1,), "cuMemAllocManaged", driver.free),
         ((None,), "cuMemAllocAsync", lambda p: driver("cuMemFreeAsync", p, None)),
         ((), "cuMemAllocHost", lambda p: driver("cuMemFreeHost", p))]
things, lock = [], threading.Lock()


def work(seed, operations):
    rng = random.Random(seed)
    driver.start()
    for _ in range(operations):
        more, name, free = rng.choice(KINDS)
        thing = driver.allocate(rng.randrange(1, 1 << 20), name, *more), free
        with lock:
            things.append(thing)
            old = things.pop(rng.randrange(len(things))) if len(things) > 100 else None
        if old:
            old[1](old[0])


def main():
    workers = [threading.Thread(target=work, args=(i, int(sys.argv[2])))
               for i in range(int(sys.argv[1]))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"live": {str(k): v for k, v in cu.Fake().live().items()}}))


main()
