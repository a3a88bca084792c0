/* SPDX-License-Identifier: MIT
 * Wrappers around methods of CPython's locks and queues. A method table's ml_meth is where every
 * call path looks up the function at each call: method descriptors, bound methods, specialised
 * instructions, `with`. A wrapper has the signature of what it stands for, calls that, and writes
 * one row. It runs in a Python thread that holds the GIL and is bound by the rules of hooks: no
 * call of Python's but the one it stands for, no reference counted, errno as it was.
 */
#ifndef GS_LOCK_CALLS_H
#define GS_LOCK_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/trace/trace_format.h"

/* PyMethodDef, the same in all versions. */
struct gs_py_method {
    const char *name;
    uintptr_t function;
    int flags;
    const char *doc;
};

#define GS_LOCK_UNKNOWN UINTPTR_MAX

/* The wrapper for a method of `type`. 0: the method is none of ours; GS_LOCK_UNKNOWN: it is, but
 * nobody knows how it is called. */
uintptr_t gs_lock_wrapper(enum gs_sync_type type, const struct gs_py_method *method);
/* Its function is what the wrapper stands for: to be said before the wrapper takes its place. */
void gs_lock_original(enum gs_sync_type type, const struct gs_py_method *method);
/* &_Py_FalseStruct, before the first wrapper is put in place. */
void gs_lock_calls_init(uintptr_t false_object);

#endif
