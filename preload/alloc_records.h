/* SPDX-License-Identifier: MIT
 * What a capture says of allocation sampling beside its rows. Same thread rules as trace_writer.h.
 */
#ifndef GS_ALLOC_RECORDS_H
#define GS_ALLOC_RECORDS_H

/* ALLOC_STATE, and the event NO_ALLOCS once it is clear that nothing is sampled. */
void gs_alloc_records(void);
/* A new segment: the samples that live are told once more, as far as a quarter of a segment goes.
 */
void gs_alloc_records_again(void);
void gs_alloc_records_forget(void); /* forked child */

#endif
