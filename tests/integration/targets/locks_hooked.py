# SPDX-License-Identifier: MIT
"""Where the methods of locks and queues lie: in the agent's code, once it has put its wrappers in."""
import _queue
import _thread
import ctypes
import os
import time

TP_METHODS = 232


def word(address):
    return ctypes.c_uint64.from_address(address).value


def functions(kind):
    """name -> address of the function, of a type's method table."""
    entry, found = word(id(kind) + TP_METHODS), {}
    while word(entry):
        found[ctypes.string_at(word(entry)).decode()] = word(entry + 8)
        entry += 32
    return found


def agent_code():
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "libgilscope.so" in line and " r-xp " in line:
                return [int(x, 16) for x in line.split()[0].split("-")]
    return 0, 0


def hooked(kind):
    """The names of its methods that are wrapped."""
    low, high = agent_code()
    return {name for name, at in functions(kind).items() if low <= at < high}


def wait(seconds=30):
    """Until all three types are. Nothing to wait for where nobody asked for it."""
    end = time.monotonic() + seconds
    while os.environ.get("GILSCOPE_LOCKS") == "1" and time.monotonic() < end:
        if all(map(hooked, (_thread.LockType, _thread.RLock, _queue.SimpleQueue))):
            return True
        time.sleep(0.002)
    return False
