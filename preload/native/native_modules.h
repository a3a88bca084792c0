/* SPDX-License-Identifier: MIT
 * Which files' machine code lies where: kept by the drain thread, read by hooks without a lock.
 * A file that was closed and opened again is another module. Nothing is done unless gs_agent.native
 * is wanted.
 */
#ifndef GS_NATIVE_MODULES_H
#define GS_NATIVE_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_native_module {
    uint64_t start, end;                       /* its executable bytes */
    uint64_t bias;                             /* what its own addresses are added to */
    uint64_t eh_frame_hdr, eh_frame_hdr_bytes; /* 0: it has none */
    uint32_t id;                               /* from 1, never given twice */
};

/* False when memory is refused. */
bool gs_native_modules_init(void);
/* Looks whether files were mapped or unmapped. CTX: constructor. */
void gs_native_modules_find(void);
/* The same, and tells of them. CTX: drain. */
void gs_native_modules_look(void);
/* Those that are there are told again at the next look: a new segment, or a forked child, which has
 * its parent's table. CTX: drain; forked child. */
void gs_native_modules_again(void);

/* The table of one moment. It is written over after two more changes, see gs_native_table_holds().
 * CTX: any; as all below. */
struct gs_native_table {
    const struct gs_native_module *modules; /* by start */
    uint32_t n, version;
};
struct gs_native_table gs_native_table(void);
/* Was what was read of the table true while it was read? */
bool gs_native_table_holds(const struct gs_native_table *t);
/* The module with code at `pc`, or NULL. */
const struct gs_native_module *gs_native_module_at(const struct gs_native_table *t, uint64_t pc);

#endif
