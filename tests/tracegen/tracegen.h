/* SPDX-License-Identifier: MIT
 * gilscope-tracegen: captures of a simulated job. main() in tracegen.c runs processes
 * (gen_process.c); each simulates the turns of its GIL (gen_gil.c) and writes rows and records
 * (gen_chunks.c) to a sink (gen_sink.c), while an observer (gen_truth.c) sums up what a reader of
 * the chunks that survive must find. Nothing here uses the analyzer.
 *
 * A process depends on the seed and its index alone, so its bytes are the same in a file of its own
 * and among others.
 */
#ifndef GS_TRACEGEN_H
#define GS_TRACEGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "preload/trace/trace_codec.h"
#include "tests/tracegen/gen_random.h"

struct gen_options {
    uint64_t slices, seed;
    uint32_t threads, processes, stacks, level;
    uint32_t losses, damage; /* permille of rows, of chunks */
    bool shuffle, with_mem, with_cuda, ns_clock, no_samples, native;
    const char *out, *truth;
};
/* 0 to go on; else 1 + the exit status. */
int gen_options_parse(struct gen_options *o, int argc, char **argv);

/* Zeroed; ends the program when there is none. */
void *gen_alloc(size_t n, size_t size);
/* One line on stderr, exit status 1. */
_Noreturn void gen_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- gen_sink.c: one output file ---- */

struct gen_sink;
struct gen_sink *gen_sink_open(const char *path, bool shuffle, uint64_t seed);
void gen_sink_write(struct gen_sink *s, const void *data, size_t len); /* now */
void gen_sink_chunk(struct gen_sink *s, const void *data, size_t len); /* may be shuffled */
void gen_sink_close(struct gen_sink *s);

/* ---- clock ---- */

/* num / den ns a tick. All CLOCK records lie on one line exactly, so that any two of them say the
 * same, and times convert without regard to which survive. */
struct gen_clock {
    uint64_t ticks0, ns0, num, den;
};
static inline uint64_t gen_duration_ns(const struct gen_clock *c, uint64_t ticks)
{
    return c->den == 1 ? ticks * c->num : (uint64_t)((unsigned __int128)ticks * c->num / c->den);
}
static inline uint64_t gen_ns(const struct gen_clock *c, uint64_t ticks)
{
    uint64_t d = ticks - c->ticks0;
    return c->ns0 + (c->den == 5 ? d * 2 / 5 : d);
}
static inline uint64_t gen_ticks(const struct gen_clock *c, uint64_t ns)
{
    return ns * c->den / c->num;
}

/* ---- gen_chunks.c: rows and records of one process -> chunks ---- */

#define GEN_SMALL_ROWS 512u /* of streams other than SLICE */
struct gen_columns {
    uint8_t stream;
    uint32_t n, room;
    uint64_t *cols[GS_CHUNK_MAX_COLS];
};
struct gen_truth;
struct gen_chunks {
    const struct gen_options *o;
    struct gen_sink *sink;
    struct gen_truth *truth; /* or NULL */
    uint64_t key, n_chunks_out, n_damaged;
    uint32_t chunk_no, lost_rows; /* since the last SLICE chunk */
    struct gen_columns streams[GS_STREAM_CUDA + 1];
    uint8_t *records;
    struct gs_record_writer w;
    uint32_t n_records;
};
void gen_chunks_open(struct gen_chunks *c, const struct gen_options *o, uint64_t key);
void gen_chunks_close(struct gen_chunks *c);
void gen_chunks_flush(struct gen_chunks *c, uint8_t stream);
void gen_records_flush(struct gen_chunks *c);

/* One value for each column of the stream. */
static inline void gen_row(struct gen_chunks *c, uint8_t stream, const uint64_t *values,
                           unsigned n_values)
{
    struct gen_columns *s = &c->streams[stream];
    for (unsigned k = 0; k < n_values; k++)
        s->cols[k][s->n] = values[k];
    if (++s->n == s->room)
        gen_chunks_flush(c, stream);
}
#define GEN_ROW(c, stream, ...)                                                                    \
    gen_row(c, stream, (const uint64_t[]){__VA_ARGS__},                                            \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* A record: begin, gs_record_put_*(&c->w), end; or of numbers only. */
void gen_record_end(struct gen_chunks *c);
void gen_put_text(struct gen_chunks *c, const char *s);
void gen_record(struct gen_chunks *c, uint32_t tag, const uint64_t *values, size_t n);
#define GEN_RECORD(c, tag, ...)                                                                    \
    gen_record(c, tag, (const uint64_t[]){__VA_ARGS__},                                            \
               sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* ---- gen_stacks.c ---- */

struct gen_stacks {
    uint64_t seed;
    uint32_t python_hex, n, n_codes;
    struct gen_zipf zipf;
    uint32_t *by_rank, *parent, *code;
    uint8_t *stack_defined, *code_defined;
    bool has_places; /* gen_native.c: they are defined */
};
void gen_stacks_open(struct gen_stacks *s, uint64_t seed, uint32_t n, uint32_t python_hex);
void gen_stacks_close(struct gen_stacks *s);
void gen_stack_define(struct gen_stacks *s, struct gen_chunks *c, uint32_t stack);

/* gen_native.c: native frames for some stacks. The id that the Python frames get. */
uint32_t gen_native_define(struct gen_stacks *s, struct gen_chunks *c, uint32_t stack,
                           uint32_t depth);

/* A stack id, its records written before its first use. */
static inline uint32_t gen_draw_stack(struct gen_stacks *s, struct gen_chunks *c, struct gen_rng *r,
                                      uint32_t role)
{
    uint32_t rank = gen_draw_zipf(r, &s->zipf) + 7 * role;
    uint32_t id = 1 + s->by_rank[rank < s->n ? rank : rank % s->n];
    if (!s->stack_defined[id - 1])
        gen_stack_define(s, c, id);
    return id;
}

/* ---- gen_gil.c: who holds the GIL, and who waits ---- */

struct gen_thread {
    uint64_t since;     /* waiting: the wait's begin; else when it will want the GIL */
    uint64_t since_seq; /* the turn in whose period that was */
    uint64_t rest;      /* of a hold that a forced drop cut short */
    uint32_t stack, role;
    /* Of all turns, in ticks; what TOTALS and SCHED say. */
    uint64_t acquisitions, contended, forced, hold, wait, off;
    uint64_t folded_n, folded_hold, lost_n, lost_hold, lost_wait_n, lost_wait;
    uint64_t *fold_hist; /* 64 counts, or NULL */
    bool waiting;
};
struct gen_turn {
    uint64_t seq, acq, hold, wait, wait_ds;
    uint32_t thread, flags, hold_stack, wait_stack;
};
struct gen_arrival {
    uint64_t t;
    uint32_t thread;
};
struct gen_process;
struct gen_gil {
    struct gen_process *p;
    struct gen_rng rng;
    struct gen_thread *threads;
    uint32_t n_threads;
    struct gen_arrival *heap;
    uint32_t n_heap;
    uint32_t *queue; /* of those that wait, in a ring */
    uint32_t queue_mask, queue_head, n_queue;
    uint64_t seq, free_at, convoy_at, ms;
    uint64_t ds_limit; /* past it nobody overtakes */
    struct gen_lognormal hold, long_hold, off[4], hand_off;
};
void gen_gil_open(struct gen_gil *g, struct gen_process *p, uint64_t seed, uint64_t start);
void gen_gil_close(struct gen_gil *g);
void gen_gil_turn(struct gen_gil *g, struct gen_turn *out);

/* ---- gen_memory.c, gen_cuda.c ---- */

struct gen_memory_sums {
    uint64_t arenas, arena_bytes, peak_arena_bytes, pool_used_bytes, samples;
    uint64_t alloc_samples, alloc_live_bytes;
};
struct gen_cuda_sums {
    uint64_t allocations, frees, failed, live_bytes, peak_bytes;
};
struct gen_memory;
struct gen_memory *gen_memory_open(struct gen_process *p);
void gen_memory_close(struct gen_memory *m);
void gen_memory_alloc(struct gen_memory *m, const struct gen_turn *t);
void gen_memory_look(struct gen_memory *m, uint64_t t, bool last);
struct gen_memory_sums gen_memory_sums(const struct gen_memory *m);

struct gen_cuda;
struct gen_cuda *gen_cuda_open(struct gen_process *p, uint64_t t);
void gen_cuda_close(struct gen_cuda *c);
void gen_cuda_call(struct gen_cuda *c, const struct gen_turn *t);
void gen_cuda_state(struct gen_cuda *c, uint64_t t);
uint64_t gen_cuda_end(const struct gen_cuda *c); /* of the last call */
struct gen_cuda_sums gen_cuda_sums(const struct gen_cuda *c);

/* ---- gen_process.c ---- */

struct gen_process {
    const struct gen_options *o;
    uint32_t index, pid;
    uint64_t seed, key, start, turns_left, next_look, n_looks;
    uint64_t lost_slots, hold_left; /* until the next point in uncontended holds */
    uint32_t losing;                /* rows of a burst that are still to be lost */
    bool begun;
    struct gen_rng rng;
    struct gen_clock clock;
    struct gen_chunks chunks;
    struct gen_stacks stacks;
    struct gen_gil gil;
    struct gen_memory *memory; /* or NULL */
    struct gen_cuda *cuda;     /* or NULL */
};
struct gen_process *gen_process_open(const struct gen_options *o, uint32_t index);
/* Writes about one chunk of slices. False: it has ended, all is written. */
bool gen_process_step(struct gen_process *p, struct gen_sink *sink);
void gen_process_close(struct gen_process *p);

/* ---- gen_truth.c ---- */

struct gen_truth *gen_truth_open(const struct gen_process *p);
void gen_truth_close(struct gen_truth *t);
/* The chunk of that stream is written (or lost, by damage). */
void gen_truth_chunk(struct gen_truth *t, const struct gen_columns *c, bool survives);
/* TOTALS into the open RECORDS chunk; what the record says counts if that chunk survives. */
void gen_truth_totals(struct gen_truth *t, uint32_t thread, uint32_t open_kind,
                      uint64_t open_since);
void gen_truth_records(struct gen_truth *t, bool survives);
void gen_truth_end(struct gen_truth *t, uint64_t end);
void gen_truth_json(const struct gen_truth *t, FILE *f);

#endif
