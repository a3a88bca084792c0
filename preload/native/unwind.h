/* SPDX-License-Identifier: MIT
 * Stacks of machine code, from registers and a copy of the stack's memory: a hook's own, or one
 * that the kernel took. What lies there is believed in nothing: a wrong word ends the walk, or
 * makes frames that are not there; it never faults, loops or writes.
 */
#ifndef GS_NATIVE_UNWIND_H
#define GS_NATIVE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/native/unwind_rules.h"

#define GS_NATIVE_MAX_DEPTH 128u

struct gs_native_regs {
    uint64_t pc, sp, bp;
};

static inline __attribute__((always_inline)) struct gs_native_regs gs_native_regs_here(void)
{
    struct gs_native_regs r;
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=r"(r.pc), "=r"(r.sp), "=r"(r.bp));
    return r;
}

/* Stack memory [base, base + len), copied to bytes. `own`: of the calling thread; more of it is
 * read, up to `cap` bytes, as the walk comes there. */
struct gs_stack_copy {
    uint64_t base;
    uint8_t *bytes;
    size_t len, cap;
    bool own;
};

/* As in a record NATIVE_STACK. */
struct gs_native_frame {
    uint32_t module; /* 0: code in no file; offset is then its address */
    uint64_t offset;
};

/* Innermost first; how many there are. 0 also where the table of modules changed meanwhile. room:
 * GS_UNWIND_ROOM bytes. CTX: hooks and the drain thread; no malloc, no lock. */
size_t gs_native_unwind(const struct gs_native_regs *regs, struct gs_stack_copy *stack,
                        struct gs_native_frame *out, size_t max, bool *truncated, void *room);

#endif
