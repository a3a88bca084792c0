/* SPDX-License-Identifier: MIT
 * Names for stacks: a stack seen before costs one look-up; a new one, and each new code object in
 * it, is written once as a definition for the drain thread. Process-wide, lock-free, fixed size: as
 * the tables fill up a new generation begins, in which everything is defined anew as it is seen.
 */
#ifndef GS_STACK_INTERN_H
#define GS_STACK_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/native/unwind.h"
#include "preload/pyabi/pyabi.h"

/* Allocates the tables; false when memory is refused. Constructor and forked child. `abi` stays. */
bool gs_stack_intern_init(const struct gs_pyabi *abi);

/* The stack's id, or 0 when it has no frames or could not be defined (counted). `scratch` is used
 * for a new code object's names and line table; it may overlap nothing. CTX: any hook. */
uint32_t gs_stack_intern(const struct gs_py_frame *frames, size_t n, bool truncated, void *scratch,
                         size_t scratch_len);

/* A native stack beside the Python one of the same moment, with an id of the same numbers; 0 as
 * above. runs: of the Python frames, each loop's, innermost first. CTX: any hook, the drain thread.
 */
uint32_t gs_stack_intern_native(uint32_t python, const uint8_t *runs, size_t n_runs,
                                const struct gs_native_frame *frames, size_t n, bool truncated);

/* Definitions, in the order they were made. */
struct gs_def {
    uint32_t len;  /* of the whole entry, header included, 8-byte aligned; 0 = not written yet */
    uint32_t kind; /* enum gs_def_kind */
    uint32_t id;
    uint32_t n; /* STACK: frames */
};
enum gs_def_kind { GS_DEF_SKIP, GS_DEF_CODE, GS_DEF_STACK, GS_DEF_NATIVE };

struct gs_def_stack {
    struct gs_def def;
    uint32_t truncated, reserved;
    struct {
        uint32_t code, instr_off;
    } frames[]; /* innermost first */
};

struct gs_def_native {
    struct gs_def def; /* n: frames */
    uint32_t python, truncated, n_runs, reserved;
    struct gs_native_frame frames[]; /* innermost first; behind them n_runs bytes */
};

struct gs_def_code {
    struct gs_def def;
    int32_t first_line;
    uint32_t linetable_kind;
    uint32_t filename_len, qualname_len, linetable_len;
    uint32_t reserved;
    uint8_t bytes[]; /* filename, qualname, line table */
};

/* The next complete definition, or NULL; drop it with gs_defs_pop(). CTX: drain. */
const struct gs_def *gs_defs_peek(void);
void gs_defs_pop(const struct gs_def *def);

/* Is it time for a new generation? CTX: drain. */
bool gs_intern_is_filling(void);
/* Forgets what has been defined. Ids are never given twice: those of older generations, in rings
 * and open waits, go on meaning what they meant. CTX: drain. */
void gs_intern_new_generation(void);

struct gs_intern_losses {
    uint64_t definitions; /* not written: no room */
    uint64_t stacks;      /* looked up in vain: table full, or its definition was lost */
};
struct gs_intern_losses gs_intern_losses(void);

#endif
