# SPDX-License-Identifier: MIT
"""Runs inside one interpreter: compares what preload/pyabi reads from memory with what Python
says of itself, at many points of many kinds of code. Prints "ok <points> ..." at the end.

    python pyabi_live_target.py <probe.so> [bench]
"""
import ctypes
import os
import sys
import threading
import time

probe = ctypes.PyDLL(sys.argv[1])
probe.probe_tstate.restype = ctypes.c_size_t
probe.probe_interpreter_id.restype = ctypes.c_longlong
probe.probe_bench.restype = ctypes.c_double
SIZE = ctypes.c_size_t
BUF = ctypes.create_string_buffer(1 << 20)
MAX = 128
points = 0


def walk(library, other, tstate):
    """Number of frames, negative when truncated, and what is known of each, as strings."""
    n = library.probe_walk(other, SIZE(tstate), MAX, BUF, SIZE(len(BUF)))
    text = BUF.value.decode("utf-8") if n else ""
    return n, [row.split("\x1f") for row in text.split("\n")[:-1]]


def seen(other, tstate):
    """What the walk gives: list of (instr_off, line, first line, name, file), truncated."""
    n, rows = walk(probe, other, tstate)
    assert all(len(row) == 5 for row in rows), rows
    assert len(rows) == abs(n), (len(rows), n)
    return [(int(a), int(b), int(c), d, e) for a, b, c, d, e in rows], n < 0


def told(frame):
    """The same, as Python tells it."""
    rows = []
    while frame:
        code = frame.f_code
        name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
        line = -1 if frame.f_lineno is None else frame.f_lineno
        rows.append((max(frame.f_lasti, 0), line, code.co_firstlineno, replaced(name),
                     replaced(code.co_filename)))
        frame = frame.f_back
    return rows


def replaced(text):
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def same(got, want, own=1):
    """Equal but for the innermost `own` frames, which went on between the two looks."""
    global points
    rows, truncated = got
    assert truncated == (len(want) > MAX), (truncated, len(want))
    want = want[:MAX]
    assert len(rows) == len(want), "depth %d, Python says %d:\n%s\n%s" % (
        len(rows), len(want), rows[:5], want[:5])
    for i, (a, b) in enumerate(zip(rows, want)):
        skip = 1 if i < own else 0
        assert a[skip:] == b[skip:], "frame %d: %r, Python says %r" % (i, a, b)
    points += 1


def check():
    """Looks at the caller's stack by both walks."""
    tstate = probe.probe_tstate()
    frame = sys._getframe(0)
    for other in (0, 1):
        # On one line, so that this frame's own line is the same for both.
        (rows, truncated), want = seen(other, tstate), told(frame)
        assert rows[0][3] == "walk" and rows[1][3] == "seen", rows[0]
        if len(want) > MAX - 2:
            assert truncated and len(rows) == MAX
            want, truncated = want[:MAX - 2], False
        same((rows[2:], truncated), want)


def plain(a,
          b=2):
    x = a + b
    check()
    for i in range(3):
        if i == 1:
            check()
    try:
        raise ValueError(
            x)
    except ValueError:
        check()
    finally:
        check(
        )
    with open(os.devnull) as f:
        check()
    return [
        x,
        check(),
    ]


def recurse(n):
    if n == 0:
        return check()
    return recurse(n - 1)


def generator(n):
    yield check()
    for i in range(n):
        check()
        yield i
    yield from inner_generator()


def inner_generator():
    check()
    yield 1
    check()


async def coroutine(n):
    check()
    if n:
        await coroutine(n - 1)
    check()
    async with Manager():
        check()
    async for x in agen():
        check()


class Manager:
    async def __aenter__(self):
        check()

    async def __aexit__(self, *exc):
        check()


async def agen():
    check()
    yield 1
    check()
    yield 2


def drive(coro):
    try:
        while True:
            coro.send(None)
    except StopIteration:
        pass


class Special:
    """C code that calls back into Python: shims between the frames."""

    def __init__(self):
        check()

    def __lt__(self, other):
        check()
        return True

    def __hash__(self):
        check()
        return 1

    def __getattr__(self, name):
        check()
        return 1

    @property
    def prop(self):
        check()
        return 1

    def __del__(self):
        check()

    def __call__(self, *args):
        check()
        return 0

    class Inner:
        def method(self, cell=None):
            def nested():
                check()
                return self, cell
            return nested()


def callbacks():
    s = Special()
    sorted([s, s, Special()])
    {s: 1}
    s.missing
    s.prop
    list(map(s, [1, 2]))
    max([1, 2], key=lambda v: check() or v)
    s.Inner().method()
    [check() for _ in range(2)]
    {k: check() for k in range(2)}
    {check() for _ in range(2)}
    list(check() for _ in range(2))
    (lambda: check())()
    del s
    import functools
    functools.reduce(lambda a, b: check(), [1, 2, 3])


def strange_code():
    names = ["<gilscope test>", "/tmp/caf\xe9.py", "/tmp/\u03b3\u03b9\u03bb.py",
             "/tmp/\U0001f40d.py", "/tmp/lone\udcff.py", "x" * 3000 + ".py", ""]
    for filename in names:
        exec(compile("\n\n\ndef f():\n\n  check()\nf()\ncheck()\n", filename, "exec"),
             {"check": check, "__name__": "strange"})
    far = "def f():\n" + "  x = 1\n" * 700 + "  check()\n" + "  y = " + "(\n" * 90 + "check()" + \
        "\n)" * 90 + "\n" + "\n" * 400 + "  check()\nf()"
    exec(compile(far, "far.py", "exec"), {"check": check})
    eval("[check() for x in (1, 2)]")


def same_line_functions():
    # Two code objects of one name on one line must not be taken for one another.
    fs = [lambda: check(), lambda: (check(), 1)[1]]
    for f in fs:
        f()


def threads():
    names = []

    def body():
        buf = ctypes.create_string_buffer(256)
        n = probe.probe_thread_name(SIZE(probe.probe_tstate()), buf, SIZE(256))
        names.append((threading.current_thread().name, buf.raw[:n].decode("utf-8")))
        check()

    class Sub(threading.Thread):
        def run(self):
            self.extra = 1
            body()

    class Many(threading.Thread):
        def __init__(self):
            super().__init__(name="many")
            for i in range(60):
                setattr(self, "attribute_%d" % i, i)

        def run(self):
            body()

    class Dicted(threading.Thread):
        def run(self):
            self.__dict__["_name"] = "from the dict"
            body()

    class Slotted(threading.Thread):
        __slots__ = ("own",)

        def run(self):
            body()

    def run(t, rename=None):
        if rename:
            t.name = rename
        t.start()
        t.join()

    run(threading.Thread(target=body, name="worker \u03b3"))
    run(threading.Thread(target=body))
    run(threading.Thread(target=lambda: recursive_name(50, body), name="deep"))
    run(threading.Thread(target=body), rename="renamed \U0001f40d")
    for cls in (Sub, Many, Dicted, Slotted):
        run(cls())
    for want, got in names:
        assert want == got, names
    assert len(names) == 8
    n = probe.probe_thread_name(SIZE(probe.probe_tstate()), ctypes.create_string_buffer(9), SIZE(9))
    assert n == 0, "the main thread has no _bootstrap frame"


def recursive_name(n, f):
    return recursive_name(n - 1, f) if n else f()


def sleeper(ready, done, tstates):
    tstates.append(probe.probe_tstate())
    ready.set()
    done.wait()


def other_sleeps(depth=0):
    """A thread that waits: its frames stand still and must be read exactly."""
    ready, done, tstates = threading.Event(), threading.Event(), []
    target = lambda: recursive_name(depth, lambda: sleeper(ready, done, tstates))
    t = threading.Thread(target=target)
    t.start()
    ready.wait()
    time.sleep(0.05)
    got = seen(1, tstates[0])
    want = told(sys._current_frames()[t.ident])
    same(got, want, own=0)
    done.set()
    t.join()


def spin_leaf(n):
    x = 0
    for i in range(n):
        x += i
    return x


def spin_generator(n):
    for i in range(n):
        yield spin_leaf(i)


def spin(stop, tstates):
    tstates.append(probe.probe_tstate())
    while not stop.is_set():
        sum(spin_generator(10))
        recursive_name(20, lambda: spin_leaf(3))


def other_spins(seconds):
    """A thread that runs: whatever is read must be frames it can have. `other` is a plain CDLL,
    which lets go of the GIL, so that it really runs meanwhile."""
    free = ctypes.CDLL(sys.argv[1])
    stop, tstates = threading.Event(), []
    t = threading.Thread(target=spin, args=(stop, tstates))
    t.start()
    while not tstates:
        time.sleep(0.001)
    known = {"spin", "spin_leaf", "spin_generator", "recursive_name", "spin.<locals>.<lambda>",
             "<lambda>", "Event.is_set", "is_set", "isSet", "Thread.run", "run", "_bootstrap_inner",
             "Thread._bootstrap_inner", "Thread._bootstrap", "_bootstrap"}
    walks = full = 0
    end = time.time() + seconds
    while time.time() < end:
        rows = walk(free, 1, tstates[0])[1]
        walks += 1
        full += bool(rows) and rows[-1][-2].endswith("_bootstrap")
        for row in rows:
            assert len(row) == 5 and row[3] in known, (row, rows)
    stop.set()
    t.join()
    assert full * 2 > walks, (full, walks)


def watched(ms):
    """This thread runs while another one, in C and without the GIL, walks it all the time."""
    frame, bottom = sys._getframe(), None
    while frame:
        frame, bottom = frame.f_back, frame.f_code
    free = ctypes.CDLL(sys.argv[1])
    counts = (ctypes.c_long * 3)()
    stop = threading.Event()

    def watch():
        free.probe_watch(SIZE(tstate), SIZE(id(bottom)), ms, counts)
        stop.set()

    tstate = probe.probe_tstate()
    t = threading.Thread(target=watch)
    t.start()
    spin(stop, [])
    t.join()
    walks, some, whole = counts
    # To 3.10 frames are objects, each read by a call of its own while they come and go: where both threads
    # have a core all the time 41 to 54 % were whole, up to 100 % where they share one.
    one_in = 3 if sys.version_info < (3, 11) else 2
    assert some * 10 > walks * 8 and whole * one_in > walks, (walks, some, whole)
    return "%d walks of a running thread, %.1f %% gave frames, %.1f %% all" % (
        walks, 100 * some / walks, 100 * whole / walks)


SUB_CODE = """
import ctypes
probe = ctypes.PyDLL(%r)
probe.probe_tstate.restype = ctypes.c_size_t
probe.probe_interpreter_id.restype = ctypes.c_longlong
with open(%r, "w") as out:
    out.write(str(probe.probe_interpreter_id(ctypes.c_size_t(probe.probe_tstate()))))
"""


def subinterpreter():
    """A second interpreter that shares the GIL, since ctypes does not load in the other kind."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "id")
        code = SUB_CODE % (sys.argv[1], path)
        if sys.version_info >= (3, 13):
            import _interpreters as interpreters
            own = interpreters.create("legacy")
        else:
            import _xxsubinterpreters as interpreters
            own = interpreters.create(isolated=False)
        interpreters.run_string(own, code)
        interpreters.destroy(own)
        with open(path) as out:
            seen_id = int(out.read())
    assert seen_id == int(own) != 0, (seen_id, own)
    assert probe.probe_interpreter_id(SIZE(probe.probe_tstate())) == 0


def bench():
    def at_depth(n):
        if n:
            return at_depth(n - 1)
        out = []
        for what, name in ((0, "self"), (1, "other"), (2, "safe read")):
            frames = ctypes.c_int()
            best = min(probe.probe_bench(what, SIZE(probe.probe_tstate()), 50,
                                         ctypes.byref(frames)) for _ in range(500))
            out.append("%s %.0f ns / %d" % (name, best, frames.value))
        return ", ".join(out)
    for depth in (2, 17, 97):
        print("bench", at_depth(depth))


def main():
    status = probe.probe_init()
    assert status == 0, "gs_pyabi_resolve: %d" % status
    assert probe.probe_minor() == sys.version_info[1]
    plain(1)
    callbacks()
    for n in (0, 1, 20, 100, 121, 126, 127, 130, 300, 800):
        recurse(n)
    list(generator(3))
    drive(coroutine(30))
    strange_code()
    same_line_functions()
    threads()
    for depth in (0, 10, 80, 110, 117, 200):
        other_sleeps(depth)
    other_spins(0.7)
    running = watched(700)
    assert probe.probe_bad_reads() == 0
    subinterpreter()
    if sys.argv[2:] == ["bench"]:
        bench()
    print("ok %d points; %s; free-threaded %d" % (points, running, probe.probe_free_threaded()))


main()
