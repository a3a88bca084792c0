# SPDX-License-Identifier: MIT
"""Locks and queues through every path there is to their methods. Prints, as JSON, for each object its
address and what the capture must say of it: operation -> how often. An address may have been that of a
lock that is gone: what came before the mark, a put into a queue of that use, is not the object's."""
import _thread
import json
import os
import queue
import threading
import time

import locks_hooked

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

ALIVE, EXPECTED = [], {}
MARKS = queue.SimpleQueue()


def mark():
    MARKS.put(None)
    return MARKS.qsize()


def expect(name, thing, **counts):
    ALIVE.append(thing)  # nothing comes to its address later
    EXPECTED[name] = dict(counts, address=id(thing), mark=mark())
    return thing


def print_expected():
    print(json.dumps({"pid": os.getpid(), "marks": id(MARKS), "n_marks": MARKS.qsize(),
                      "objects": EXPECTED}), flush=True)


def lock_paths():
    lock = expect("with", threading.Lock(), acquired=3000, released=3000)
    for _ in range(3000):  # specialised, and compiled where there is a compiler
        with lock:
            pass
    lock = expect("bound", threading.Lock(), acquired=2000, released=2000)
    acquire, release = lock.acquire, lock.release
    for _ in range(2000):
        acquire()
        release()
    lock = expect("attribute", threading.Lock(), acquired=2000, released=2000)
    for _ in range(2000):
        lock.acquire()
        lock.release()
    lock = expect("old names", threading.Lock(), acquired=100, released=100)
    for _ in range(100):
        lock.acquire_lock()
        lock.release_lock()
    lock = expect("descriptor", threading.Lock(), acquired=150, released=150)
    for _ in range(50):
        _thread.LockType.acquire(lock)
        _thread.LockType.release(lock)
        _thread.LockType.acquire(lock, True, -1)
        type(lock).__exit__(lock, None, None, None)
        _thread.LockType.__enter__(lock)
        _thread.LockType.__exit__(lock, *(None,) * 3)
    lock = expect("called from C", threading.Lock(), acquired=200, released=200)
    for _ in map(lambda call: call(), [lock.acquire, lock.release] * 100):
        pass
    for call, arguments in [(lock.acquire, (True,)), (lock.release, ())] * 100:
        call(*arguments, **{})


def not_at_once():
    lock = expect("refused", threading.Lock(), acquired=22, released=22, refused=30)
    for _ in range(10):
        assert lock.acquire(timeout=5) and not lock.acquire(False)
        assert not lock.acquire(blocking=False) and not lock.acquire(timeout=0.001)
        lock.release()
        assert lock.acquire(True, 5)
        lock.release()
    assert lock.acquire(blocking=True, timeout=5) is True
    lock.release()
    assert lock.acquire(blocking=False) is True
    lock.release()
    for wrong in (lambda: lock.acquire(1, 2, 3), lambda: lock.acquire(timeout="x"), lock.release,
                  lambda: lock.acquire(False, 1)):
        try:
            wrong()
        except (TypeError, ValueError, RuntimeError):
            pass


def rlocks():
    lock = expect("rlock", threading.RLock(), acquired=500, released=500)
    for _ in range(100):
        with lock, lock:
            lock.acquire()
            assert lock.acquire(blocking=False) and lock.acquire(True, 1)
            lock.release()
            lock.release()
            lock.release()
    lock = expect("rlock held", threading.RLock(), acquired=1, released=1, refused=3)

    def try_it():
        for _ in range(2):
            assert not lock.acquire(False)
        assert not lock.acquire(timeout=0.001)
    with lock:
        run(try_it)


def run(*functions):
    threads = [threading.Thread(target=f) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def conditions():
    lock = expect("condition", threading.RLock(), acquired=12, released=12, released_all=10)
    condition = threading.Condition(lock)
    with condition, condition:
        for _ in range(10):
            assert not condition.wait(0.001)
        condition.notify_all()
    # Of a plain lock a Condition asks whether it is held by trying to take it.
    lock = expect("condition of a lock", threading.Lock(), acquired=11, released=11, refused=11)
    condition = threading.Condition(lock)
    with condition:
        for _ in range(10):
            condition.wait(0.001)
        condition.notify()
    semaphore = threading.Semaphore(3)
    expect("semaphore", semaphore._cond._lock, acquired=80, released=80, refused=40)
    for _ in range(40):
        with semaphore:
            pass
    event = threading.Event()
    expect("event", event._cond._lock, acquired=3, released=3, refused=1)
    event.set()
    event.wait()
    event.clear()


def queues():
    q = queue.Queue()
    expect("queue", q.mutex, acquired=8000, released=8000, refused=8000)
    for i in range(4000):
        q.put(i)
        if i % 1000 == 999:
            time.sleep(0.05)  # the ring is emptied meanwhile
    for i in range(4000):
        q.get()
        if i % 1000 == 999:
            time.sleep(0.05)
    simple = expect("simple", queue.SimpleQueue(), put=1200, got=1100)
    put, get = simple.put, simple.get
    for i in range(400):
        simple.put(i)
        put(i, block=True)
        simple.put_nowait(i)
    for i in range(500):
        simple.get()
        get(True, 1)
    for i in range(100):
        queue.SimpleQueue.get_nowait(simple)
    empty = expect("empty", queue.SimpleQueue(), refused=3)
    for call in (empty.get_nowait, lambda: empty.get(False), lambda: empty.get(timeout=0.001)):
        try:
            call()
        except queue.Empty:
            pass


def blocking():
    lock = expect("handed over", threading.Lock(), acquired=2, released=2)
    simple = expect("waited for", queue.SimpleQueue(), put=1, got=1)

    def other():
        simple.get()
        lock.acquire()  # is let go by the main thread
    lock.acquire()
    thread = threading.Thread(target=other)
    thread.start()
    time.sleep(0.02)
    simple.put(1)
    time.sleep(0.02)
    lock.release()
    thread.join()  # it ends while it holds
    assert lock.locked()
    lock.release()


def many_threads():
    lock = expect("contended", threading.Lock(), acquired=2000, released=2000)

    def work():
        for i in range(500):
            with lock:
                if i % 100 == 0:
                    time.sleep(0.0005)
    run(*[work] * 4)


IMPORTS = "import _thread, builtins, json, os"
INSIDE = """
lock, rlock = builtins.kept = _thread.allocate_lock(), _thread.RLock()
for _ in range(70):
    with lock, rlock:
        pass
os.write(%d, json.dumps([id(lock), id(rlock)]).encode())
"""


def in_another_interpreter():
    sub = interpreters.create()
    read, write = os.pipe()
    interpreters.run_string(sub, IMPORTS)
    before = mark()
    interpreters.run_string(sub, INSIDE % write)
    lock, rlock = json.loads(os.read(read, 1000))
    EXPECTED["interpreter"] = {"address": lock, "mark": before, "acquired": 70, "released": 70}
    EXPECTED["interpreter's rlock"] = dict(EXPECTED["interpreter"], address=rlock)
    return sub


def in_a_child():
    lock = expect("parent", threading.Lock(), acquired=1, released=1)
    pid = os.fork()
    if not pid:
        EXPECTED.clear()
        while MARKS.qsize():
            MARKS.get()
        expect("child", lock, acquired=60, released=60)
        for _ in range(60):
            with lock:
                pass
        print_expected()
        os._exit(0)
    os.waitpid(pid, 0)
    with lock:
        pass


locks_hooked.wait()
for story in (lock_paths, not_at_once, rlocks, conditions, queues, blocking, many_threads, in_a_child):
    story()
    time.sleep(0.05)  # the ring is emptied meanwhile
sub_interpreter = in_another_interpreter()
print_expected()
os._exit(0)
