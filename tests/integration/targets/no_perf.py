# SPDX-License-Identifier: MIT
"""Runs a program under a filter of system calls that refuses perf_event_open, as containers do.
argv: ERRNO PROGRAM ARGS..."""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
PERF_EVENT_OPEN = 298  # x86-64
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000


def instruction(code, true, false, k):
    return struct.pack("HBBI", code, true, false, k)


program = b"".join((
    instruction(LOAD, 0, 0, 0),
    instruction(EQUAL, 0, 1, PERF_EVENT_OPEN),
    instruction(RETURN, 0, 0, ERRNO | int(sys.argv[1])),
    instruction(RETURN, 0, 0, ALLOW),
))
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(program)
header = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, FILTER, header, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[2], sys.argv[2:])
