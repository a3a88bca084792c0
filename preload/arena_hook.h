/* SPDX-License-Identifier: MIT
 * Stands in front of the allocator that gives pymalloc its arenas. It is set before the interpreter
 * starts, so that no arena is missed, and stays for the life of the process.
 */
#ifndef GS_ARENA_HOOK_H
#define GS_ARENA_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_elf_object;

/* CTX: constructor, before Py_Initialize(): it calls the C API. False when this Python does not
 * have it. */
bool gs_arena_hook_install(const struct gs_elf_object *python);
/* Is it still the one that Python calls? A second Py_Initialize() from 3.12 on takes the default
 * again, and a program may set its own. CTX: drain. */
bool gs_arena_hook_is_in_place(void);

/* Unmaps an arena in Python's place: one that it gave back while it was being read. */
void gs_arena_hook_give_back(uintptr_t arena, size_t bytes);

#endif
