/* SPDX-License-Identifier: MIT
 * The drain thread: packs ring slots into chunks and appends them, at least every 100 ms. It never
 * takes the GIL, has all signals blocked, and owns a private table of file descriptors. Also what
 * the exit, fork and exec paths ask of it; where it gets no core they write in its place. All waits
 * here are bounded.
 */
#ifndef GS_DRAIN_H
#define GS_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#define GS_FINISH_WAIT_NS 250000000u

/* A ring is half full. CTX: any hook. */
void gs_drain_kick(void);
/* Starts the thread; false when one is still on its way out. CTX: constructor, or a hook of
 * gs_agent_restart(). */
bool gs_drain_start(void);
/* Asks the thread to end and waits at most 2 ms for it. CTX: atfork prepare. */
void gs_drain_leave(void);
/* Joins the thread, if it was asked to end or has ended by itself; waits at most 2 ms for it. CTX:
 * destructor, _exit; atfork parent too, for a thread that did not leave in time. */
void gs_drain_join(void);
/* Writes all there is and the record of `event` (END for the end of the process, EVENT for an
 * exec), waiting at most 250 ms. CTX: destructor, _exit, exec; not in a hook. */
void gs_drain_finish(uint32_t event);
void gs_drain_checkpoint(uint32_t event, const char *text);
/* Nothing has been written for most of the interval after which it should be. CTX: any. */
bool gs_drain_is_behind(void);
/* Forked child: there is no such thread here. */
void gs_drain_forget(void);

#endif
