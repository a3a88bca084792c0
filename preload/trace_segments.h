/* SPDX-License-Identifier: MIT
 * A capture that keeps the newest (GILSCOPE_ON_FULL=ring). Beside the file asked for, which holds
 * no more than what describes the process and keeps the name taken, lie segments: job.gsc,
 * job.seg000001.gsc, ... Where they reach the limit together, the oldest is removed, and only after
 * a record tells what was in it: totals stay exact for the whole run. Each segment can be
 * understood without those before it. Same thread rules as trace_writer.h.
 */
#ifndef GS_TRACE_SEGMENTS_H
#define GS_TRACE_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct gs_thread;

/* Begins the first segment; the file asked for exists and its first chunk is written. False when
 * memory or a file is refused: the capture then goes on in the one file. */
bool gs_segments_begin(void);
/* Goes on in a new segment where this one is full. CTX: after a flush. */
enum gs_segments_step {
    GS_SEGMENTS_STAY,
    GS_SEGMENTS_NEXT,
    GS_SEGMENTS_STUCK
} gs_segments_step(void);
/* A thread has ended: what its records say is forgotten with this segment. */
void gs_segments_bury(const struct gs_thread *t);
/* Rows of about so many bytes that may be told again as a segment begins: a quarter of it. */
uint32_t gs_segments_rows_again(uint32_t row_bytes);
void gs_segments_forget(void); /* forked child */

#endif
