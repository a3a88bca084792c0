/* SPDX-License-Identifier: MIT
 * What the readers of tagged records share: records.c, and records_memory.c and records_cuda.c for
 * those of memory and of CUDA.
 */
#ifndef GS_RECORDS_H
#define GS_RECORDS_H

#include "analyzer/columns.h"
#include "preload/trace/trace_codec.h"

struct gs_record_context {
    struct gs_recording *r;
    struct gs_stacks *stacks;
    uint32_t epoch, chunk_no;
    bool *ticks_are_ns;
};
typedef void gs_record_fn(struct gs_record_context *ctx, struct gs_record *rec);

/* Each reads the record's next field. A string is cleaned, and the caller's. */
char *gs__record_string(struct gs_record *rec);
uint32_t gs__record_u32(struct gs_record *rec); /* greater ones are UINT32_MAX */
uint64_t gs__record_ns(struct gs_record_context *ctx, struct gs_record *rec);
/* A time that the process was alive at. */
uint64_t gs__record_seen_ns(struct gs_record_context *ctx, struct gs_record *rec);

/* records_memory.c */
gs_record_fn gs__on_arena, gs__on_arena_end, gs__on_memory, gs__on_maps, gs__on_heap,
    gs__on_alloc_state;
/* The text of an EVENT that says why something of memory is not there; takes it. */
void gs__note_no_memory(struct gs_recording *r, uint64_t kind, char **text);
/* records_gc.c */
gs_record_fn gs__on_gc, gs__on_gc_generation, gs__on_gc_thread;
/* The text of an EVENT NO_GC; takes it. */
void gs__note_no_gc(struct gs_recording *r, char **text);
/* records_native.c */
gs_record_fn gs__on_native_module, gs__on_native_stack, gs__on_symbol;
/* records_counters.c */
gs_record_fn gs__on_counter, gs__on_counts;
/* records_cuda.c */
gs_record_fn gs__on_cuda_driver, gs__on_cuda_device, gs__on_cuda_context, gs__on_cuda_context_end,
    gs__on_cuda_call, gs__on_cuda_live, gs__on_cuda_state, gs__on_cuda_used;
/* The same for CUDA. */
void gs__note_no_cuda(struct gs_recording *r, uint64_t kind, char **text);

#endif
