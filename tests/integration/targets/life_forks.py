# SPDX-License-Identifier: MIT
"""life_forks.py HOW N: N children, one after another, while threads fight for the GIL. Each child but
those that exec has threads of its own, which fight too. Prints the pids of the children."""
import ctypes
import os
import subprocess
import sys
import threading
import time

import busy

how, n = sys.argv[1], int(sys.argv[2])
libc = ctypes.PyDLL(None)  # keeps the GIL, as os.fork() does
pids = []


def child(status=0):
    busy.contend(0.03)
    os._exit(status)


def wait(pid):
    pids.append(pid)
    assert os.waitpid(pid, 0)[1] == 0


def fork(call=os.fork):
    pid = call()
    if pid == 0:
        child()
    wait(pid)


def fork_in_thread():
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()


def raw_fork():
    """Past all that libc and Python do around a fork: clone(SIGCHLD) as a system call. Nobody else may
    be in take_gil() then, or the child finds the GIL's mutex locked for ever, agent or not."""
    fork(lambda: libc.syscall(56, 17, 0, 0, 0, 0))


def double_fork():
    """A daemon's way: the child's child goes on after its parent has ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.write(writer, b"%d" % os.getpid())
        busy.contend(0.03)
        sys.exit(0)  # closes the pipe at last
    os.close(writer)
    wait(pid)
    pids.append(int(os.read(reader, 20)))
    assert os.read(reader, 1) == b""
    os.close(reader)


PROGRAM = [sys.executable, "-c", "import os, busy; busy.contend(0.03); print(os.getpid())"]


def spawn():
    """posix_spawn: libc's vfork."""
    path = os.path.dirname(os.path.abspath(busy.__file__))
    wait(os.posix_spawn(PROGRAM[0], [PROGRAM[0], "-c", PROGRAM[2].replace("print(os.getpid())", "")],
                        dict(os.environ, PYTHONPATH=path)))


def vfork():
    """subprocess: vfork() on 3.10 and later; every second child's exec fails."""
    path = os.path.dirname(os.path.abspath(busy.__file__))
    out = subprocess.run(PROGRAM, env=dict(os.environ, PYTHONPATH=path), stdout=subprocess.PIPE,
                         check=True, close_fds=False)
    pids.append(int(out.stdout))
    try:
        subprocess.run(["/nowhere/to/be/found"], close_fds=False)
    except FileNotFoundError:
        pass


for _ in range(0 if how == "raw" else 3):
    threading.Thread(target=busy.spin, args=(time.monotonic() + 600,), daemon=True).start()
time.sleep(0.05)
for _ in range(n):
    {"fork": fork, "thread": fork_in_thread, "raw": raw_fork, "double": double_fork, "spawn": spawn,
     "vfork": vfork}[how]()
print(*pids)
