/* SPDX-License-Identifier: MIT
 * Chunks as agents write them, decoded column by column: rows that ascend in seq and have a half
 * each, and no flag, thread or number of turns that 32 bits do not hold. Of other chunks nothing is
 * said here, not whether they are damaged either: slices.c.
 */
#include "analyzer/column_math.h"
#include "analyzer/columns.h"
#include "analyzer/slices.h"

#define BLOCK 1024u /* times converted at once: few blocks lie in two segments of the clock */

static const uint32_t HALVES = GS_SLICE_TURN | GS_SLICE_WAIT;
static const uint32_t OURS = GS_ROW_KNOWN_STACK | GS_ROW_BY_HOLDER;

static bool wide(const struct gs_decoder *d, enum gs_slice_column k, uint64_t *out)
{
    return gs_chunk_decode_indexes(d->chunk->data, &d->header, k, out) == GS_OK;
}

static bool narrow(const struct gs_decoder *d, enum gs_slice_column k, uint32_t *out)
{
    return gs_chunk_decode_narrow(d->chunk->data, &d->header, k, out) == GS_OK;
}

static bool sound(const struct gs_decoder *d, enum gs_slice_column k, uint64_t *scratch)
{
    return gs_chunk_check_column(d->chunk->data, &d->header, k, scratch) == GS_OK;
}

/* What says which rows there are. */
static bool begin(struct gs_decoder *d, const struct gs_chunk_ref *c, uint64_t *seq,
                  uint32_t *flags)
{
    size_t n = c->hdr.n_rows;
    d->chunk = c;
    d->knows_places = false;
    d->n = n;
    return c->hdr.stream == GS_STREAM_SLICE && n && n <= d->stride &&
           gs_chunk_header(c, &d->header) && wide(d, GS_SLICE_SEQ, seq) &&
           narrow(d, GS_SLICE_FLAGS, flags) && gs_column_ascends(seq, n) && seq[0] == c->hdr.seq0 &&
           seq[n - 1] == c->hdr.seq1 && gs_narrow_all_have(flags, n, HALVES);
}

bool gs_decode_ticks(struct gs_decoder *d, const struct gs_chunk_ref *c, struct gs_tick_columns *t)
{
    uint64_t *at = d->columns, *scratch = at + 3 * d->stride;
    uint64_t *seq = at, *acq = at + d->stride, *hold = at + 2 * d->stride;
    uint32_t *flags = d->narrow, *thread = flags + d->stride, *ds = thread + d->stride;
    *t = (struct gs_tick_columns){seq, acq, hold, thread, flags, ds, c->hdr.n_rows};
    return begin(d, c, seq, flags) && wide(d, GS_SLICE_ACQ_NS, acq) &&
           wide(d, GS_SLICE_REL_NS, hold) && narrow(d, GS_SLICE_THREAD, thread) &&
           narrow(d, GS_SLICE_WAIT_DS, ds) && sound(d, GS_SLICE_HOLD_STACK, scratch) &&
           sound(d, GS_SLICE_BEGIN_NS, scratch) && sound(d, GS_SLICE_WAIT_STACK, scratch);
}

/* ---- times ---- */

/* Acquires in a_ns, holds in rel_ns, waits in begin_ns; all ticks. */
static void convert_each(const struct gs_clock *clock, uint32_t epoch, struct gs_row_columns r,
                         size_t n)
{
    gs_narrow_times(r.flags, r.acq_ns, r.rel_ns, r.begin_ns, n);
    gs_clock_convert(clock, epoch, r.acq_ns, n);
    gs_clock_convert(clock, epoch, r.rel_ns, n);
    gs_clock_convert(clock, epoch, r.begin_ns, n);
    for (size_t i = 0; i < n; i++)
        r.a_ns[i] = r.acq_ns[i];
}

/* All times of a block by one line, where one segment of the clock holds the first and the last
 * that there could be. */
static void convert_times(const struct gs_clock *clock, uint32_t epoch, struct gs_row_columns r,
                          size_t n)
{
    struct gs_tick_bounds b = gs_column_tick_bounds(r.acq_ns, r.rel_ns, r.begin_ns, n);
    struct gs_line line;
    if (b.max_wait <= b.min_acq && b.max_hold <= UINT64_MAX - b.max_acq &&
        gs_clock_line(clock, epoch, b.min_acq - b.max_wait, b.max_acq + b.max_hold, &line))
        gs_narrow_line_times(r.flags, r.acq_ns, r.rel_ns, r.begin_ns, r.a_ns, n, line);
    else
        convert_each(clock, epoch, r, n);
}

static struct gs_row_columns at_row(const struct gs_row_columns *c, size_t i)
{
    return (struct gs_row_columns){
        .seq = c->seq + i,
        .acq_ns = c->acq_ns + i,
        .rel_ns = c->rel_ns + i,
        .begin_ns = c->begin_ns + i,
        .a_ns = c->a_ns + i,
        .hold_actor = c->hold_actor + i,
        .wait_actor = c->wait_actor + i,
        .ds = c->ds + i,
        .flags = c->flags + i,
        .thread = c->thread + i,
    };
}

void gs_row_times_ns(const struct gs_clock *clock, uint32_t epoch, const struct gs_row_columns *r,
                     size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK)
        convert_times(clock, epoch, at_row(r, i), n - i < BLOCK ? n - i : BLOCK);
}

/* ---- actors ---- */

static inline uint32_t all_bits_if(uint32_t bit)
{
    return 0 - (uint32_t)(bit != 0);
}

/* Indexes of the dictionary -> actors. Half of all rows wait, which no processor foresees: no
 * branch on it. A row that does not wait asks for its holder again. */
static void find_actors(struct gs_decoder *d, struct gs_row_columns r)
{
    const uint32_t *places = gs__find_places(d);
    for (size_t i = 0; i < d->n; i++) {
        uint32_t hold = places[r.hold_actor[i]] & all_bits_if(r.flags[i] & GS_SLICE_TURN);
        uint32_t wait = places[r.wait_actor[i]];
        wait = hold ^ ((hold ^ wait) & all_bits_if(r.flags[i] & GS_SLICE_WAIT));
        struct gs_actor_pair both = gs_actors_of(&d->tables, &d->actors, r.thread[i], hold, wait);
        r.hold_actor[i] = both.hold;
        r.wait_actor[i] = both.wait;
        r.flags[i] |= all_bits_if(hold & GS_PLACE_KNOWN) & GS_ROW_KNOWN_STACK;
    }
}

/* Flags of the file are not ours. */
static void mark_by_holder(struct gs_row_columns r, size_t n)
{
    uint64_t seen = gs_narrow_limit_ds(r.flags, r.seq, r.ds, n);
    uint32_t limit = gs_tells_apart(seen, n) ? UINT32_MAX : GS_STEPS_PER_ROW;
    gs_narrow_mark(r.flags, n, OURS, GS_SLICE_WAIT, r.ds, limit, GS_ROW_BY_HOLDER);
}

bool gs_decode_indexes(struct gs_decoder *d, const struct gs_chunk_ref *c,
                       const struct gs_row_columns *into, size_t at)
{
    struct gs_row_columns r = at_row(into, at);
    if (!begin(d, c, r.seq, r.flags) || !wide(d, GS_SLICE_ACQ_NS, r.acq_ns) ||
        !wide(d, GS_SLICE_REL_NS, r.rel_ns) || !wide(d, GS_SLICE_BEGIN_NS, r.begin_ns) ||
        !narrow(d, GS_SLICE_THREAD, r.thread) || !narrow(d, GS_SLICE_WAIT_DS, r.ds) ||
        !narrow(d, GS_SLICE_HOLD_STACK, r.hold_actor) ||
        !narrow(d, GS_SLICE_WAIT_STACK, r.wait_actor))
        return false;
    gs_row_times_ns(&d->r->clock, c->hdr.clock_epoch, &r, c->hdr.n_rows);
    return true;
}

bool gs_decode_columns(struct gs_decoder *d, const struct gs_chunk_ref *c,
                       const struct gs_row_columns *into, size_t at)
{
    if (!gs_decode_indexes(d, c, into, at))
        return false;
    mark_by_holder(at_row(into, at), d->n);
    find_actors(d, at_row(into, at));
    return true;
}
