/* SPDX-License-Identifier: MIT
 * Finding the types of CPython's locks and queues, and putting wrappers into their method tables.
 */
#ifndef GS_LOCK_TYPES_H
#define GS_LOCK_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/trace/trace_format.h"

struct gs_elf_object;

#define GS_SYNC_ALL (GS_SYNC_LOCK | GS_SYNC_RLOCK | GS_SYNC_SIMPLE_QUEUE)

/* Looks up the functions of the C API that the search needs; false when one is missing. CTX: where
 * the agent starts. */
bool gs_lock_api_find(const struct gs_elf_object *python);
/* Hooks the types that are there and were not looked at yet. Imports nothing. CTX: a pending call.
 */
void gs_lock_types_hook(void);
/* enum gs_sync_type bits: those that were looked at. CTX: any. */
uint32_t gs_lock_types_done(void);
/* Of one that was looked at: when, and why it is not recorded (NULL: it is). CTX: any. */
struct gs_lock_finding {
    uint64_t t;
    const char *why_not;
};
struct gs_lock_finding gs_lock_types_finding(uint32_t type);

#endif
