/* SPDX-License-Identifier: MIT
 * What counters say, into the capture: COUNTER and COUNTS records. CTX of all: writer; what needs
 * descriptors does nothing but in a drain thread that has a table of its own.
 */
#ifndef GS_COUNT_RECORDS_H
#define GS_COUNT_RECORDS_H

#include <stdbool.h>

struct gs_thread;

void gs_count_drain_begins(bool own_fds);
/* It leaves: its descriptors go with it, what they counted stays. */
void gs_count_drain_ends(void);
/* Opens the events of threads that are new. */
void gs_count_tick(void);
/* Writes what has changed. all: of every thread as of now; else /proc is asked for some of them. */
void gs_count_records(bool all);
/* A thread has ended: the last of it. */
void gs_count_bury(struct gs_thread *t);
void gs_count_again(void);  /* a new segment */
void gs_count_forget(void); /* forked child */

#endif
