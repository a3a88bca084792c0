/* SPDX-License-Identifier: MIT
 * Where the machine code is inside a long hold: perf_event samples of the holder's registers and
 * stack (the kernel copies them; no signal is sent), taken while the drain thread watches the hold,
 * and unwound there. CTX of all but forget: the drain thread, in whose private table the
 * descriptors are.
 */
#ifndef GS_HOLD_PERF_H
#define GS_HOLD_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_py_frame;

/* A drain thread begins; own_fds: its table is its own. Without that there are no samples. */
void gs_hold_perf_begins(bool own_fds);
void gs_hold_perf_ends(void);
/* A forked child: the parent's samples are not here. */
void gs_hold_perf_forget(void);

struct gs_watched_hold {
    uint32_t gil, tid;
    uint64_t seq, since_t, t;     /* the turn; when it began; now */
    uint32_t python;              /* the holder's Python stack just now, */
    const struct gs_py_frame *py; /* and its frames */
    size_t n_py;
};
/* A stack with the native frames of the newest sample in this turn, else the Python stack. The
 * first call of a thread begins its sampling. */
uint32_t gs_hold_perf_join(const struct gs_watched_hold *h);
/* How long the next look may wait, at most `ns`. */
uint64_t gs_hold_perf_wait_ns(uint64_t ns);
/* Once a look, behind its joins: who holds for long no more is sampled no more, after a while. */
void gs_hold_perf_tick(uint64_t now);

/* Of a sample that a waiter took of the same turn with the same Python stack: the stack of the
 * native sample nearest in time, else `python`. */
uint32_t gs_hold_perf_stack(uint32_t gil, uint64_t seq, uint64_t t, uint32_t python);

/* Why there are no samples, or NULL. */
const char *gs_hold_perf_refusal(void);

#endif
