/* SPDX-License-Identifier: MIT
 * All knowledge of CPython's memory layout. No Python.h, no malloc, no locks, no errno, no libc
 * calls but memcpy and the raw system call process_vm_readv: callable from a GIL hook.
 *
 * 3.9-3.12: offset rows generated from DWARF (pyabi_rows.def). 3.13+: _Py_DebugOffsets, read and
 * checked at run time. Anything else is refused, never guessed.
 */
#ifndef GS_PYABI_H
#define GS_PYABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/trace/gs_status.h"

#define GS_PY_MAX_DEPTH 128 /* frames kept of a stack; the innermost ones */

/* What the agent's constructor resolved by dlsym; addresses may be 0 where the symbol is absent. */
struct gs_pyabi_inputs {
    uintptr_t py_runtime;  /* &_PyRuntime */
    uintptr_t code_type;   /* &PyCode_Type */
    uintptr_t dict_type;   /* &PyDict_Type */
    uintptr_t unicode_type; /* &PyUnicode_Type */
    uint32_t version_hex;  /* Py_Version, or parsed from Py_GetVersion(); 0x030c01f0 = 3.12.1 */
};

/* Filled by gs_pyabi_resolve(); plain data, copied freely. Offsets are bytes. */
struct gs_pyabi;

/* One frame of a stack. `key` identifies a code object across address reuse: a mix of its address,
 * name and file pointers, first line and line table pointer. `instr_off` is the byte offset of the
 * current instruction in the bytecode (f_lasti semantics, in bytes, all versions). */
struct gs_py_frame {
    uintptr_t code;
    uint64_t key;
    uint32_t instr_off;
    bool entry; /* the interpreter's loop was entered with it: it is the outermost of that run */
};

enum gs_linetable_kind {
    GS_LINETABLE_NONE = 0,
    GS_LINETABLE_LNOTAB = 1,    /* 3.9 co_lnotab */
    GS_LINETABLE_LINETABLE = 2, /* 3.10 co_linetable (PEP 626) */
    GS_LINETABLE_LOCATIONS = 3, /* 3.11+ co_linetable (location table) */
};

/* Everything an offline reader needs of a code object. Pointers point into the caller's buffer;
 * strings are UTF-8, not terminated. */
struct gs_py_code_info {
    const char *filename, *qualname; /* qualname is the plain name before 3.11 */
    size_t filename_len, qualname_len;
    int32_t first_line;
    enum gs_linetable_kind linetable_kind;
    const uint8_t *linetable;
    size_t linetable_len; /* 0 when it did not fit the buffer */
};

#include "preload/pyabi/pyabi_layout.h" /* struct gs_pyabi */

/* GS_OK; GS_ERR_UNSUPPORTED_PYTHON for an unknown version or build; GS_ERR_LAYOUT when
 * _Py_DebugOffsets does not verify. `out->free_threaded` is set for Py_GIL_DISABLED builds. */
enum gs_status gs_pyabi_resolve(struct gs_pyabi *out, const struct gs_pyabi_inputs *in);

/* Walks the calling thread's own frames, innermost first; direct reads (only the thread itself
 * changes them). Skips shims, trampolines and incomplete frames. Returns the number of frames
 * written; *truncated tells that outer frames were cut at `max`. */
size_t gs_pyabi_walk_self(const struct gs_pyabi *abi, uintptr_t tstate, struct gs_py_frame *out,
                          size_t max, bool *truncated);

/* The same for another, running thread: every read is fault-safe (process_vm_readv on ourselves)
 * and every code object is checked to be one; a walk that goes astray returns what was verified
 * so far, or 0. `scratch` holds the copied data stack chunk (at least 32 KiB advised). */
size_t gs_pyabi_walk_other(const struct gs_pyabi *abi, uintptr_t tstate, struct gs_py_frame *out,
                           size_t max, bool *truncated, void *scratch, size_t scratch_len);

/* Copies a code object's names and line table into buf, fault-safe. GS_ERR_FAULT / GS_ERR_LAYOUT
 * when it is not (or no longer) a code object with this key. */
enum gs_status gs_pyabi_read_code(const struct gs_pyabi *abi, const struct gs_py_frame *frame,
                                  struct gs_py_code_info *out, void *buf, size_t buf_len);

/* Python's own name of the calling thread (threading.Thread.name), read from the outermost frame
 * (threading.Thread._bootstrap's self), for a thread that holds the GIL. UTF-8 into buf, length
 * returned, 0 when there is none (foreign threads, main thread, unsupported layout). Fault-safe. */
size_t gs_pyabi_thread_name(const struct gs_pyabi *abi, uintptr_t tstate, char *buf, size_t len);

/* The id (0 = main; never given twice) and address of the interpreter a thread state belongs to; -1
 * if it cannot be read. Fault-safe. */
int64_t gs_pyabi_interpreter_id(const struct gs_pyabi *abi, uintptr_t tstate, uintptr_t *interp);

/* Has Py_Finalize() begun? Fault-safe: libpython may have been unloaded by now. */
bool gs_pyabi_is_over(const struct gs_pyabi *abi);

/* Pure and offline: line number of a bytecode offset; -1 where the table has none. Bounds-checked
 * against garbage. */
int32_t gs_pyabi_line(enum gs_linetable_kind kind, const uint8_t *table, size_t len,
                      int32_t first_line, uint32_t instr_off);

/* pymalloc: an arena is cut into pools, and a pool into blocks of one size. */
#define GS_PY_ARENA_POOLS 64u /* at most */
struct gs_py_pool {
    uint16_t size_class; /* blocks of 16 times this many bytes; 0: never used */
    uint16_t used;       /* blocks in use; 0: emptied */
};
size_t gs_pyabi_arena_bytes(const struct gs_pyabi *abi);
size_t gs_pyabi_pool_bytes(const struct gs_pyabi *abi);
/* The pools of the arena at `arena`, GS_PY_ARENA_POOLS in all, read while the program goes on: where
 * they lie, in about 10 us, while the caller sees to it that the arena stays mapped; or `safely`, by
 * copies that fail where it is not, in about 75 us. False when what is there is no arena. */
bool gs_pyabi_read_pools(const struct gs_pyabi *abi, uintptr_t arena, bool safely,
                         struct gs_py_pool *out);

/* The collector of cyclic garbage of one interpreter, by its own account. */
#define GS_PY_GENERATIONS 3u
struct gs_py_gc_generation {
    uint64_t collections, collected, uncollectable; /* since the interpreter began */
    int32_t threshold, count; /* count: of the youngest, containers made less those freed since */
};
struct gs_py_gc {
    bool enabled, collecting;
    bool has_duration; /* 3.15 and later */
    uint64_t duration_ns; /* of all collections that have ended */
    uint64_t live; /* containers that were found alive, by the oldest generation's account */
    struct gs_py_gc_generation generations[GS_PY_GENERATIONS];
};
/* Fault-safe, while the program goes on: numbers may be of two moments. False where it cannot be
 * read, or what is there is no collector's state. Needs abi->has_gc. */
bool gs_pyabi_read_gc(const struct gs_pyabi *abi, uintptr_t interp, struct gs_py_gc *out);
/* Do the lists of containers hang together? A collection takes them apart, so ask when none is under
 * way, and more than once. */
bool gs_pyabi_gc_hangs_together(const struct gs_pyabi *abi, uintptr_t interp);

struct gs_py_interpreter {
    uintptr_t address;
    int64_t id; /* 0: main; never given twice */
};
/* Those that live, at most `max`; how many. Fault-safe; needs abi->has_gc. */
size_t gs_pyabi_interpreters(const struct gs_pyabi *abi, struct gs_py_interpreter *out, size_t max);

/* Fault-safe copy of `len` bytes from our own address space: true when all of it was read. Never
 * changes errno. */
bool gs_safe_read(void *dst, uintptr_t src, size_t len);
/* May other threads' memory be read, too? False where process_vm_readv is refused: gs_safe_read then
 * serves only what the caller itself keeps mapped, and gs_pyabi_walk_other finds nothing. */
bool gs_safe_read_others(void);

#endif
