/* SPDX-License-Identifier: MIT
 * What the kernel says of the threads: their CPU and run-queue time, rows of the SCHED stream, and
 * which have ended. CTX of all functions: who writes.
 */
#ifndef GS_SCHED_ROWS_H
#define GS_SCHED_ROWS_H

/* Marks as dead the threads that have ended, if threads have come since the last call. */
void gs_sched_find_ended(void);
/* Of a few threads, in turn. */
void gs_sched_write_some(void);
/* Of all, as far as a chunk holds. */
void gs_sched_write_all(void);
/* Forked child: none of the parent's threads is here. */
void gs_sched_forget(void);

#endif
