/* SPDX-License-Identifier: MIT
 * Collections of cyclic garbage, from the drain thread: what each interpreter's collector says of
 * itself, and whether it is at work just now. How many collections there were is exact; how long
 * they took is the sum of the times between those looks that found one under way. Nobody is
 * stopped, no hook looks. Drain thread only, but for gs_gc_watch_forget().
 */
#ifndef GS_GC_WATCH_H
#define GS_GC_WATCH_H

#include <stdint.h>

struct gs_thread;

/* A look, if it is time. */
void gs_gc_watch_tick(uint64_t now);
/* Nanoseconds until then, at most `max`. */
uint64_t gs_gc_watch_wait_ns(uint64_t now, uint64_t max);
/* A look now: the last one of a recording, or one that was asked for. */
void gs_gc_watch(uint64_t now);
/* The records of what has changed, or why there are none. At each flush. */
void gs_gc_watch_tell(void);
/* The same of one thread. */
void gs_gc_watch_put_thread(struct gs_thread *t);
/* A new segment begins: all is told again. */
void gs_gc_watch_again(void);
/* Forked child: the collections so far were the parent's. CTX: as gs_agent's begin_child(). */
void gs_gc_watch_forget(void);

#endif
