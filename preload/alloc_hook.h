/* SPDX-License-Identifier: MIT
 * Sampled allocations (--alloc): a Poisson process over the bytes that Python's `mem` and `obj`
 * domains hand out. The hooks are set in the constructor and stay for the life of the process;
 * where nothing is recorded they pass on. A block that a point falls into gets an ALLOC row with
 * its stack, and a FREE row when it is freed or moved.
 */
#ifndef GS_ALLOC_HOOK_H
#define GS_ALLOC_HOOK_H

#include <stdbool.h>
#include <stdint.h>

struct gs_elf_object;

/* Wraps the two domains, if asked for and possible: not where the program runs already (`in_hook`).
 * CTX: constructor, before Python is initialised, or the hook that finds Python. */
void gs_alloc_install(const struct gs_elf_object *python, bool in_hook);
/* Recording begins: the first point is drawn. CTX: constructor, forked child. */
void gs_alloc_begin(void);
/* Ten times fewer samples from now on; each then stands for ten. CTX: governor. */
void gs_alloc_fewer(void);

struct gs_alloc_counts {
    uint64_t samples;                 /* taken */
    uint64_t lost_allocs, lost_frees; /* of those, the ones whose row was dropped */
};
struct gs_alloc_counts gs_alloc_counts(void);

/* Why nothing is sampled although it was asked for; NULL: it is. */
const char *gs_alloc_why_not(void);
/* Bytes to the next point: a number that changes with each allocation. */
int64_t gs_alloc_countdown(void);
/* Do our hooks stand where Python looks for its allocators? True too where we cannot know. CTX:
 * drain. */
bool gs_alloc_is_installed(void);

#endif
