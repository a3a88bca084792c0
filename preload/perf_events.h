/* SPDX-License-Identifier: MIT
 * perf_event_open() for the counters that the kernel keeps no account of. CTX of all: the drain
 * thread, in whose private table the descriptors are.
 */
#ifndef GS_PERF_EVENTS_H
#define GS_PERF_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/counts.h"

/* The calling thread's descriptors are meant from now on; false: nobody's any more. Another thread,
 * which ends the process in its place, has a table where these numbers are the program's. */
void gs_perf_own(bool mine);
/* Opens counter k for the thread `tid`. False: it is refused, and *error is the kernel's -errno;
 * or the thread has ended, then 0. *user_only: without kernel mode, which was refused. */
bool gs_perf_open(struct gs_counts_of_thread *c, uint32_t k, uint32_t tid, bool *user_only,
                  long *error);
/* All that was counted so far, also before an earlier drain thread left. */
struct gs_perf_value gs_perf_value(const struct gs_counts_of_thread *c, uint32_t k);
/* The descriptor goes: what it counted is kept. */
void gs_perf_close(struct gs_counts_of_thread *c, uint32_t k);
/* The thread has ended. */
void gs_perf_unmap(struct gs_counts_of_thread *c, uint32_t k);
/* Why it was refused and what would allow it, in one line. */
const char *gs_perf_refusal(uint32_t type, long error, char *buf, size_t cap);

#endif
