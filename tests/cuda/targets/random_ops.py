# SPDX-License-Identifier: MIT
"""random_ops.c inside this process. usage: random_ops.py LIBRARY SEED THREADS OPERATIONS [python]
With "python" each of its threads is one of Python's, and does its share of the operations."""
import ctypes
import sys
import threading

library, words = sys.argv[1], [w.encode() for w in sys.argv[2:5]]
run = ctypes.CDLL(library).main


def main(seed, threads, operations):
    argv = (ctypes.c_char_p * 4)(b"random_ops", seed, threads, operations)
    assert run(4, argv) == 0


if sys.argv[5:] == ["python"]:
    n = int(words[1])
    workers = [threading.Thread(target=main, args=(b"%d" % i, b"1", words[2])) for i in range(n)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
else:
    main(*words)
