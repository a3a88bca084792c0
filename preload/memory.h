/* SPDX-License-Identifier: MIT
 * What the drain thread records of memory: arenas as they come and go, what their pools hold (of
 * those that changed), the process's resident memory, and now and then all of its mappings. Reading
 * takes at most 1 % of one core: a large heap is walked in turns. Nobody is stopped for it.
 */
#ifndef GS_MEMORY_H
#define GS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Switches it on; why: arenas are not seen, or NULL. False: no memory. CTX: constructor. */
bool gs_memory_init(const char *why_no_arenas);
void gs_memory_forget(void); /* forked child */
/* Nanoseconds until the next look is due, at most `max`. */
uint64_t gs_memory_wait_ns(uint64_t now, uint64_t max);
/* Arenas that came and went since the last call. CTX: drain, at each flush. */
void gs_memory_tell_news(void);
/* A look, if it is time. CTX: drain. */
void gs_memory_tick(uint64_t now);
/* All of it, now: the last look of a recording, or one that was asked for. None is taken once
 * Python clears up after itself: that would say nothing of the program. CTX: drain. */
void gs_memory_look(void);
/* A new segment begins: all that lives is told again. */
void gs_memory_again(void);

#endif
