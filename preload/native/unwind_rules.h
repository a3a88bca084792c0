/* SPDX-License-Identifier: MIT
 * How the frame of a place in machine code is left: from its file's .eh_frame, read fault-safely
 * (the file may be unmapped meanwhile), and remembered. x86-64; another CPU adds its own.
 */
#ifndef GS_UNWIND_RULES_H
#define GS_UNWIND_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/native/native_modules.h"

/* The frame's end (CFA: what the stack pointer is in the caller) and where the caller's rbp is. */
enum gs_cfa_rule {
    GS_CFA_UNKNOWN, /* no table, or nothing that is understood: the walk ends there */
    GS_CFA_OUTERMOST,
    GS_CFA_SP,     /* rsp + cfa */
    GS_CFA_BP,     /* rbp + cfa */
    GS_CFA_AT_BP,  /* what lies at rbp + cfa: functions that align their stack */
    GS_CFA_PLT,    /* rsp + 8, and 8 more in the last 5 of each 16 bytes */
    GS_CFA_SIGNAL, /* the kernel's frame: a ucontext lies at rsp */
};
enum gs_bp_rule { GS_BP_SAME, GS_BP_AT_CFA, GS_BP_AT_BP }; /* at CFA + bp, at rbp + bp */

struct gs_unwind_rule {
    enum gs_cfa_rule cfa_rule;
    enum gs_bp_rule bp_rule;
    int32_t cfa, bp; /* less than 2^23 either way */
};

#define GS_UNWIND_ROOM 13312u /* bytes to read tables into */

/* CTX: hooks, drain. room: of the caller's, GS_UNWIND_ROOM bytes. */
struct gs_unwind_rule gs_unwind_rule(const struct gs_native_module *o, uint64_t pc, void *room);

#endif
