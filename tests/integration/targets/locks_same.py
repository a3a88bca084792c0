# SPDX-License-Identifier: MIT
"""What Python code can see of its locks and queues: printed, to be compared with and without the
agent."""
import _queue
import _thread
import re
import signal
import sys
import threading
import time

import locks_hooked

locks_hooked.wait()


def show(what, call):
    try:
        result = call()
    except BaseException as error:
        result = "%s: %s" % (type(error).__name__, error)
    print(what, re.sub(r"0x[0-9a-f]+", "0x", repr(result)))


lock, rlock, simple = threading.Lock(), threading.RLock(), _queue.SimpleQueue()
for make in (threading.Lock, threading.RLock):
    for text in ("acquire()", "acquire(1)", "acquire(0)", "acquire(1, 2, 3)", "acquire('x')",
                 "acquire(timeout='x')", "acquire(timeout=-2)", "acquire(False, 1)", "acquire(bogus=1)",
                 "acquire(blocking=False)", "acquire(True, 1e100)", "release()", "release(1)",
                 "release(x=1)", "__enter__()", "__enter__(1, 2)", "__exit__()", "__exit__(1, 2, 3)",
                 "__exit__(1, 2, 3, 4, 5)", "acquire.__name__", "acquire.__doc__", "acquire.__self__",
                 "release.__text_signature__", "acquire", "__class__.acquire", "__class__.acquire()",
                 "__class__.acquire(3)", "__class__.release()", "_is_owned()", "_release_save()",
                 "_acquire_restore(1)", "_acquire_restore((1, 2, 3))", "acquire_lock()"):
        thing = make()
        show("%s.%s" % (make.__name__, text), lambda: eval("thing." + text))
    thing = make()
    with thing as value:
        show("with", lambda: value)
    show("release", thing.release)
for text in ("get()", "get(1, 2, 3)", "get(False)", "get_nowait()", "get_nowait(1)", "get(timeout=-1)",
             "get(timeout='x')", "get(bogus=1)", "get(block=True, timeout=0.001)", "put()",
             "put(1, False, 0.1, 4)", "put(item=3)", "put_nowait()", "put(2, bogus=1)", "qsize()", "get",
             "put.__doc__", "get.__text_signature__", "__class__.put()", "__class__.get_nowait(3)"):
    simple.put("item")
    if "False" in text or "0.001" in text or text == "get_nowait()":
        simple.get()
    show("simple." + text, lambda: eval("simple." + text))
    while simple.qsize():
        simple.get()

token = object()
before = [sys.getrefcount(x) for x in (lock, rlock, simple, token, True, False)]
for _ in range(100):
    with lock, rlock:
        lock.acquire(False)
    simple.put(token)
    simple.get()
    simple.put_nowait(token)
    simple.get_nowait()
after = [sys.getrefcount(x) for x in (lock, rlock, simple, token, True, False)]
print("references", [b - a for a, b in zip(before[:4], after)])


def interrupt(*_):
    raise KeyboardInterrupt("by the handler")


signal.signal(signal.SIGALRM, interrupt)
for what, blocked in (("lock", lock), ("rlock", rlock)):
    holder = threading.Thread(target=lambda: (blocked.acquire(), time.sleep(0.15),
                                              blocked.release()))
    holder.start()
    while blocked.acquire(False):
        blocked.release()
        time.sleep(0.001)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    show("interrupted " + what, blocked.acquire)
    holder.join()
    show("and then", lambda: (blocked.acquire(False), blocked.release()))
signal.setitimer(signal.ITIMER_REAL, 0.02)
show("interrupted get", simple.get)
signal.signal(signal.SIGALRM, lambda *_: print("a handler that returns"))
signal.setitimer(signal.ITIMER_REAL, 0.02)
lock.acquire()
show("goes on", lambda: lock.acquire(timeout=0.1))
threading.Timer(0.05, lambda: simple.put("late")).start()
show("late", simple.get)
print("hooked", bool(locks_hooked.hooked(_thread.LockType)), file=sys.stderr)
