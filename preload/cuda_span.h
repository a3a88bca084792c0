/* SPDX-License-Identifier: MIT
 * One call of the driver, from begin to end: its time, whether the GIL was held, the sums by
 * function, its row. What it did to memory is said by the wrapper.
 */
#ifndef GS_CUDA_SPAN_H
#define GS_CUDA_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/cuda_api.h"
#include "preload/cuda_lookup.h"

struct gs_thread;

struct gs_cuda_span {
    struct gs_thread *thread; /* NULL: it never used the GIL */
    uint64_t t0, acq_seq;
    uint64_t seq; /* of its row; 0: taken at the end */
    uint8_t call; /* enum gs_cuda_call */
    bool had_gil;
};

/* What goes into the row beside that. */
struct gs_cuda_facts {
    uint8_t op, kind; /* enum gs_cuda_op, gs_cuda_kind */
    uint16_t flags;   /* of enum gs_cuda_flag: UNKNOWN */
    uint32_t context;
    uint64_t bytes, address;
};

struct gs_cuda_call_sums {
    uint64_t calls, failed, ticks, held_calls, held_ticks;
};

/* False: not recorded (or the driver calls itself): pass the call on. CTX: wrappers. */
bool gs_cuda_begin(struct gs_cuda_span *s, enum gs_cuda_call call);
/* Ends it with no row but that of a call that took long, or failed, or is about a pool. */
void gs_cuda_end_timed(struct gs_cuda_span *s, CUresult rc, uint64_t bytes);
/* Ends it with this row. Returns the stack that was taken. */
uint32_t gs_cuda_end(struct gs_cuda_span *s, CUresult rc, const struct gs_cuda_facts *f);
/* Ends it without one. */
void gs_cuda_end_silent(struct gs_cuda_span *s, CUresult rc);
/* One more row of the same call, which let go of more than one thing: after its end. */
void gs_cuda_also(const struct gs_cuda_span *s, const struct gs_cuda_facts *f);
/* The next in the order of effects. */
uint64_t gs_cuda_next_seq(void);
/* Stack of the calling thread, 0 where none is taken. */
uint32_t gs_cuda_stack(const struct gs_cuda_span *s);
uint32_t gs_cuda_thread_index(const struct gs_cuda_span *s);

void gs_cuda_forget(void); /* forked child */

/* For the drain thread. */
bool gs_cuda_is_met(void);
struct gs_cuda_call_sums gs_cuda_call_sums(enum gs_cuda_call call);
struct gs_cuda_row_counts {
    uint64_t rows, lost, unknown_frees;
} gs_cuda_row_counts(void);
bool gs_cuda_had_no_memory(void);

#endif
