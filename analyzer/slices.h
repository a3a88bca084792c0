/* SPDX-License-Identifier: MIT
 * Chunks of SLICE and HOLDER_SAMPLE -> rows: times in ns, stacks as actors. A decoder belongs to
 * one worker; what it needs of the recording (clock, definitions) does not change meanwhile.
 */
#ifndef GS_SLICES_H
#define GS_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/actors.h"
#include "analyzer/clock.h"
#include "analyzer/idmap.h"
#include "analyzer/row_columns.h"
#include "analyzer/stacks.h"
#include "analyzer/trace_reader.h"

struct gs_recording;

/* Flags of a row beside enum gs_slice_flag. */
#define GS_ROW_KNOWN_STACK (1u << 30) /* TURN: the stack at the release is known */
#define GS_ROW_BY_HOLDER   (1u << 31) /* WAIT: whom it waited for is told apart, see engine.h */

/* A wait over k turns takes k steps to be told apart by holder. So there is a limit, chunk by
 * chunk, which no plausible recording meets: where the waits of a chunk saw more turns than this in
 * all, those that saw more than GS_STEPS_PER_ROW are blamed on the holders alone. */
#define GS_STEPS_PER_ROW   512u
#define GS_STEPS_OF_CHUNK  8192u

/* An actor is a stack in a thread: what holds, waits and is blamed. Dense per decoder. */
struct gs_slice {
    uint64_t seq;        /* first: gs_radix_sort() */
    uint64_t acq_ns;     /* as the clock says; order comes from seq */
    uint64_t rel_ns;     /* TURN: >= acq_ns; else acq_ns */
    uint64_t begin_ns;   /* WAIT: <= acq_ns; else acq_ns */
    uint64_t a_ns;       /* greatest acq_ns of the rows of its seq; see gs_make_monotone() */
    uint32_t hold_actor; /* always valid; its node is no_stack when the stack is not known */
    uint32_t wait_actor; /* WAIT */
    uint32_t ds;         /* WAIT: at most seq */
    uint32_t flags;
    uint32_t thread; /* its id */
    uint32_t order;  /* of sorts: its place in the file */
};
_Static_assert(sizeof(struct gs_slice) == 64, "a cache line");

struct gs_holder_sample {
    uint64_t seq, t_ns; /* seq first: gs_radix_sort() */
    uint32_t thread, actor;
    uint32_t kind;
};

struct gs_decoder {
    const struct gs_recording *r;
    const struct gs_stacks *stacks;
    struct gs_idmap actors; /* thread id, node */
    struct gs_actor_tables tables;
    const struct gs_chunk_ref *chunk; /* last decoded, */
    struct gs_chunk_hdr header;       /* and its header */
    uint64_t *columns; /* of the chunk last decoded, `stride` values each; times are ns,
                          stacks indexes of its dictionary */
    uint32_t *narrow;  /* room for columns of 32 bits: slices_quick.c */
    size_t stride, n;
    uint32_t *places; /* of the dictionary's stacks */
    bool knows_places;
    bool by_holder;
    struct gs_holder_sample *samples; /* see gs_decoder_samples() */
    size_t n_samples, cap_samples;
};
/* What it will have to decode. */
struct gs_decoder_size {
    uint64_t rows;       /* in all, about */
    uint32_t chunk_rows; /* of a chunk, at most */
};
void gs_decoder_open(struct gs_decoder *d, const struct gs_recording *r,
                     const struct gs_stacks *stacks, struct gs_decoder_size size);
void gs_decoder_close(struct gs_decoder *d);
static inline uint32_t gs_actor_thread(const struct gs_idmap *actors, uint32_t actor)
{
    return (uint32_t)(actors->keys[actor] >> 32);
}
static inline uint32_t gs_actor_node(const struct gs_idmap *actors, uint32_t actor)
{
    return (uint32_t)actors->keys[actor];
}

/* One SLICE chunk. false: it contradicts the format; nothing of it is to be used. */
bool gs_decode_slices(struct gs_decoder *d, const struct gs_chunk_ref *c);
/* Row i of it; false: it has neither half. */
bool gs_decoded_slice(struct gs_decoder *d, size_t i, struct gs_slice *out);
/* Those of rows [from, end) that have a half; returns how many. */
size_t gs_decoded_rows(struct gs_decoder *d, size_t from, size_t end, struct gs_slice *out);
/* The rows with lo <= seq <= last, of n that ascend. */
struct gs_row_range {
    size_t from, end;
};
struct gs_row_range gs_range_of(const uint64_t *seq, size_t n, uint64_t lo, uint64_t last);

/* ---- slices_quick.c: chunks as agents write them, in which each row has a half and seq ascends.
 * false: it is no such chunk, or damaged ---- */

/* All of its rows into columns from row `at` on, where there is room for them. */
bool gs_decode_columns(struct gs_decoder *d, const struct gs_chunk_ref *c,
                       const struct gs_row_columns *into, size_t at);
/* The same, but in place of actors indexes of the chunk's dictionary, and flags and ds as they
 * stand in the chunk. */
bool gs_decode_indexes(struct gs_decoder *d, const struct gs_chunk_ref *c,
                       const struct gs_row_columns *into, size_t at);
/* acq_ns, rel_ns and begin_ns of n rows, which are still an acquire, a hold and a wait in ticks;
 * and a_ns. */
void gs_row_times_ns(const struct gs_clock *clock, uint32_t epoch, const struct gs_row_columns *r,
                     size_t n);
/* As they stand in the chunk, in memory of the decoder; the other columns are only looked at. */
struct gs_tick_columns {
    const uint64_t *seq, *acq, *hold;
    const uint32_t *thread, *flags, *ds;
    size_t n;
};
bool gs_decode_ticks(struct gs_decoder *d, const struct gs_chunk_ref *c, struct gs_tick_columns *t);

/* Whether waits that saw so many turns, in a chunk of n rows, are all told apart by holder. */
static inline bool gs_tells_apart(uint64_t seen, size_t n)
{
    return seen <= (uint64_t)GS_STEPS_PER_ROW * n + GS_STEPS_OF_CHUNK;
}
/* Places of the dictionary of the chunk in hand. */
const uint32_t *gs__find_places(struct gs_decoder *d);

/* The same in a plain way, for the reference engine: slices_plain.c. */
bool gs_plain_decode(struct gs_decoder *d, const struct gs_chunk_ref *c);
bool gs_plain_slice(struct gs_decoder *d, size_t i, struct gs_slice *out);

enum gs_slice_column {
    GS_SLICE_SEQ,
    GS_SLICE_ACQ_NS, /* t_acq */
    GS_SLICE_THREAD,
    GS_SLICE_FLAGS,
    GS_SLICE_REL_NS, /* hold */
    GS_SLICE_HOLD_STACK,
    GS_SLICE_BEGIN_NS, /* wait */
    GS_SLICE_WAIT_DS,
    GS_SLICE_WAIT_STACK
};
static inline const uint64_t *gs_decoded_column(const struct gs_decoder *d, enum gs_slice_column k)
{
    return d->columns + k * d->stride;
}
/* The id in row i of a column of stacks. */
uint32_t gs_decoded_stack(const struct gs_decoder *d, enum gs_slice_column k, size_t i);

/* Adds those of a HOLDER_SAMPLE chunk whose seq is in [lo, last] to d->samples. false as above. */
bool gs_decode_samples(struct gs_decoder *d, const struct gs_chunk_ref *c, uint64_t lo,
                       uint64_t last);
/* By seq, time, kind, actor: any order of the input gives one order. */
void gs_sort_samples(struct gs_decoder *d);
/* Index of the first sample whose seq is not below; n_samples where none is. */
size_t gs_first_sample(const struct gs_decoder *d, uint64_t seq);

/* Two rows of one seq: `into`, the earlier one, keeps its own halves and takes those it lacks. Of
 * two waits, which no agent writes, the one that saw more turns counts: so a window need not know
 * of rows that do not reach into it. */
void gs_merge_halves(struct gs_slice *into, const struct gs_slice *from);
/* Makes a_ns monotone, cuts begin_ns to it; rows in order of seq, each once. high_ns: the greatest
 * acq_ns of all rows before. */
void gs_make_monotone(struct gs_slice *rows, size_t n, uint64_t high_ns);

#endif
