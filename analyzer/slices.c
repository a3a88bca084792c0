/* SPDX-License-Identifier: MIT */
#include "analyzer/slices.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/column_math.h"
#include "analyzer/columns.h"
#include "analyzer/radix.h"
#include "analyzer/xalloc.h"

void gs_decoder_open(struct gs_decoder *d, const struct gs_recording *r,
                     const struct gs_stacks *stacks, struct gs_decoder_size size)
{
    memset(d, 0, sizeof(*d));
    d->r = r;
    d->stacks = stacks;
    d->stride = size.chunk_rows;
    d->columns = gs_xmalloc(GS_CHUNK_MAX_COLS * d->stride, sizeof(*d->columns));
    d->narrow = gs_xmalloc(3 * d->stride, sizeof(*d->narrow));
    d->places = gs_xmalloc(2 * GS_CHUNK_MAX_ROWS + 1, sizeof(*d->places));
    gs_actor_tables_open(&d->tables, &r->defs, stacks);
}

void gs_decoder_close(struct gs_decoder *d)
{
    gs_idmap_free(&d->actors);
    gs_actor_tables_close(&d->tables);
    free(d->columns);
    free(d->narrow);
    free(d->places);
    free(d->samples);
    memset(d, 0, sizeof(*d));
}

static uint64_t *column(struct gs_decoder *d, unsigned k)
{
    return d->columns + k * d->stride;
}

static uint32_t to_u32(uint64_t v)
{
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* ---- columns ---- */

/* The header says where a chunk lies; one that lies elsewhere would be looked for in vain. */
static bool is_where_it_says(struct gs_decoder *d, const struct gs_chunk_ref *c,
                             const uint64_t *seq)
{
    struct gs_range r = gs_column_range(seq, d->n);
    return r.min == c->hdr.seq0 && r.max == c->hdr.seq1;
}

static bool decode_columns(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    const struct gs_stream_desc *desc = gs_stream_desc(c->hdr.stream);
    d->chunk = c;
    d->knows_places = false;
    d->n = c->hdr.n_rows;
    if (!desc || d->n == 0 || d->n > d->stride || desc->n_cols > GS_CHUNK_MAX_COLS ||
        !gs_chunk_header(c, &d->header))
        return false;
    for (unsigned k = 0; k < desc->n_cols; k++)
        if (gs_chunk_decode_indexes(c->data, &d->header, k, column(d, k)) != GS_OK)
            return false;
    return is_where_it_says(d, c, column(d, (unsigned)desc->seq_col));
}

/* hold, wait -> times of the release and of the wait's beginning; what has no such half: of the
 * acquire. */
static void to_times(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    uint64_t *acq = column(d, GS_SLICE_ACQ_NS), *rel = column(d, GS_SLICE_REL_NS);
    uint64_t *begin = column(d, GS_SLICE_BEGIN_NS);
    gs_column_times(column(d, GS_SLICE_FLAGS), acq, rel, begin, d->n);
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, acq, d->n);
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, rel, d->n);
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, begin, d->n);
}

static void limit_seen(struct gs_decoder *d)
{
    uint64_t sum = gs_column_limit_ds(column(d, GS_SLICE_FLAGS), column(d, GS_SLICE_SEQ),
                                      column(d, GS_SLICE_WAIT_DS), d->n);
    d->by_holder = gs_tells_apart(sum, d->n);
}

bool gs_decode_slices(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    if (!decode_columns(d, c))
        return false;
    to_times(d, c);
    limit_seen(d);
    return true;
}

/* Once a chunk, and only where somebody asks for rows. */
const uint32_t *gs__find_places(struct gs_decoder *d)
{
    const struct gs_chunk_ref *c = d->chunk;
    if (d->knows_places)
        return d->places;
    d->knows_places = true;
    for (uint32_t k = 0; k <= d->header.n_dict; k++)
        d->places[k] = gs_place_of_stack(&d->tables, gs_chunk_dict_id(c->data, &d->header, k));
    return d->places;
}

uint32_t gs_decoded_stack(const struct gs_decoder *d, enum gs_slice_column k, size_t i)
{
    return gs_chunk_dict_id(d->chunk->data, &d->header, gs_decoded_column(d, k)[i]);
}

static inline uint32_t if_set(uint64_t flags, uint64_t flag, uint32_t v)
{
    return v & (0 - (uint32_t)((flags & flag) != 0));
}

/* Half of all rows wait, which no processor foresees: no branch on it. A row that does not wait
 * asks for its holder again, and forgets the answer. */
static inline void set_row(struct gs_decoder *d, size_t i, uint32_t flags, struct gs_slice *s)
{
    uint32_t thread = to_u32(gs_decoded_column(d, GS_SLICE_THREAD)[i]);
    uint32_t ds = if_set(flags, GS_SLICE_WAIT, (uint32_t)gs_decoded_column(d, GS_SLICE_WAIT_DS)[i]);
    uint32_t hold =
        if_set(flags, GS_SLICE_TURN, d->places[gs_decoded_column(d, GS_SLICE_HOLD_STACK)[i]]);
    uint32_t wait = d->places[gs_decoded_column(d, GS_SLICE_WAIT_STACK)[i]];
    wait = hold ^ if_set(flags, GS_SLICE_WAIT, hold ^ wait);
    uint32_t hold_actor = gs_actor_of(&d->tables, &d->actors, thread, hold);
    uint32_t wait_actor = gs_actor_of(&d->tables, &d->actors, thread, wait);
    uint64_t acq_ns = gs_decoded_column(d, GS_SLICE_ACQ_NS)[i];
    bool by_holder = d->by_holder | (ds <= GS_STEPS_PER_ROW);
    flags |= if_set(hold, GS_PLACE_KNOWN, GS_ROW_KNOWN_STACK);
    *s = (struct gs_slice){
        .seq = gs_decoded_column(d, GS_SLICE_SEQ)[i],
        .acq_ns = acq_ns,
        .rel_ns = gs_decoded_column(d, GS_SLICE_REL_NS)[i],
        .begin_ns = gs_decoded_column(d, GS_SLICE_BEGIN_NS)[i],
        .a_ns = acq_ns,
        .hold_actor = hold_actor,
        .wait_actor = if_set(flags, GS_SLICE_WAIT, wait_actor),
        .ds = ds,
        .flags = flags | if_set(flags, GS_SLICE_WAIT, by_holder ? GS_ROW_BY_HOLDER : 0),
        .thread = thread,
    };
}

size_t gs_decoded_rows(struct gs_decoder *d, size_t from, size_t end, struct gs_slice *out)
{
    const uint64_t *flags = gs_decoded_column(d, GS_SLICE_FLAGS);
    size_t n = 0;
    gs__find_places(d);
    for (size_t i = from; i < end; i++) {
        uint32_t f = (uint32_t)flags[i] & ~(GS_ROW_KNOWN_STACK | GS_ROW_BY_HOLDER);
        if (f & (GS_SLICE_TURN | GS_SLICE_WAIT))
            set_row(d, i, f, &out[n++]);
    }
    return n;
}

bool gs_decoded_slice(struct gs_decoder *d, size_t i, struct gs_slice *s)
{
    return gs_decoded_rows(d, i, i + 1, s) > 0;
}

static size_t first_row(const uint64_t *seq, size_t n, uint64_t want)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (seq[mid] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct gs_row_range gs_range_of(const uint64_t *seq, size_t n, uint64_t lo, uint64_t last)
{
    struct gs_row_range r = {first_row(seq, n, lo), n};
    if (last < UINT64_MAX)
        r.end = first_row(seq, n, last + 1);
    return r;
}

/* ---- samples ---- */

enum holder_column { P_SEQ, P_T, P_THREAD, P_KIND, P_STACK };

/* The same sample again says nothing, and a chunk of 200 bytes can hold 4096 of them. */
static void keep_sample(struct gs_decoder *d, const struct gs_holder_sample *s)
{
    const struct gs_holder_sample *last = d->n_samples ? &d->samples[d->n_samples - 1] : NULL;
    if (last && last->seq == s->seq && last->t_ns == s->t_ns && last->actor == s->actor &&
        last->kind == s->kind)
        return;
    GS_PUSH(d->samples, d->n_samples, d->cap_samples, *s);
}

bool gs_decode_samples(struct gs_decoder *d, const struct gs_chunk_ref *c, uint64_t lo,
                       uint64_t last)
{
    if (!decode_columns(d, c))
        return false;
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, column(d, P_T), d->n);
    gs__find_places(d);
    for (size_t i = 0; i < d->n; i++) {
        struct gs_holder_sample s = {.seq = column(d, P_SEQ)[i], .t_ns = column(d, P_T)[i]};
        uint64_t stack = column(d, P_STACK)[i];
        if (s.seq < lo || s.seq > last ||
            gs_chunk_dict_id(c->data, &d->header, stack) == GS_STACK_NONE)
            continue; /* NONE: the walk failed, it says nothing */
        s.thread = to_u32(column(d, P_THREAD)[i]);
        s.kind = to_u32(column(d, P_KIND)[i]);
        s.actor = gs_actor_of(&d->tables, &d->actors, s.thread, d->places[stack]);
        keep_sample(d, &s);
    }
    return true;
}

/* Numbers of actors differ from decoder to decoder: what they stand for does not. */
static int sample_order(const void *pa, const void *pb, void *arg)
{
    const struct gs_holder_sample *a = pa, *b = pb;
    const struct gs_idmap *actors = arg;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    uint64_t ka = actors->keys[a->actor], kb = actors->keys[b->actor];
    return ka < kb ? -1 : ka > kb;
}

static bool samples_are_sorted(const struct gs_decoder *d)
{
    for (size_t i = 1; i < d->n_samples; i++)
        if (sample_order(&d->samples[i - 1], &d->samples[i], (void *)&d->actors) > 0)
            return false;
    return true;
}

/* Runs of one seq, which are short, in the order of what else they say. */
static void sort_runs(struct gs_decoder *d)
{
    struct gs_holder_sample *s = d->samples;
    for (size_t i = 0, end; i < d->n_samples; i = end) {
        for (end = i + 1; end < d->n_samples && s[end].seq == s[i].seq;)
            end++;
        if (end - i > 1)
            qsort_r(s + i, end - i, sizeof(*s), sample_order, &d->actors);
    }
}

void gs_sort_samples(struct gs_decoder *d)
{
    if (samples_are_sorted(d))
        return;
    d->samples = gs_radix_sort(d->samples, d->n_samples, sizeof(*d->samples));
    d->cap_samples = d->n_samples;
    sort_runs(d);
}

size_t gs_first_sample(const struct gs_decoder *d, uint64_t seq)
{
    size_t lo = 0, hi = d->n_samples;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->samples[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- rows ---- */

void gs_merge_halves(struct gs_slice *into, const struct gs_slice *from)
{
    uint32_t news = from->flags & ~into->flags;
    if (from->flags & into->flags & GS_SLICE_WAIT && from->ds > into->ds)
        news |= GS_SLICE_WAIT;
    if (from->a_ns > into->a_ns)
        into->a_ns = from->a_ns;
    if (news & GS_SLICE_TURN) {
        into->rel_ns = into->acq_ns + (from->rel_ns - from->acq_ns);
        into->hold_actor = from->hold_actor;
        into->flags |= from->flags &
                       (GS_SLICE_TURN | GS_SLICE_WAITED_FOR | GS_SLICE_FORCED | GS_ROW_KNOWN_STACK);
    }
    if (news & GS_SLICE_WAIT) {
        into->begin_ns = from->begin_ns;
        into->wait_actor = from->wait_actor;
        into->ds = from->ds;
        into->flags &= ~GS_ROW_BY_HOLDER;
        into->flags |= from->flags & (GS_SLICE_WAIT | GS_ROW_BY_HOLDER);
    }
}

void gs_make_monotone(struct gs_slice *rows, size_t n, uint64_t high_ns)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].a_ns > high_ns)
            high_ns = rows[i].a_ns;
        rows[i].a_ns = high_ns;
        if (rows[i].begin_ns > high_ns)
            rows[i].begin_ns = high_ns;
    }
}
