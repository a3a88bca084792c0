# SPDX-License-Identifier: MIT
"""random_ops.c inside a Python process; LD_LIBRARY_PATH finds it, as it finds libcuda.so.1.
usage: random_ops.py linked|dlsym|proc SEED THREADS OPERATIONS"""
import ctypes
import sys


def main():
    words = (ctypes.c_char_p * 4)(*[word.encode() for word in sys.argv[1:5]])
    sys.exit(ctypes.CDLL("random_ops_%s.so" % sys.argv[1]).main(4, words))


main()
