/* SPDX-License-Identifier: MIT */
#include "analyzer/slices.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/columns.h"
#include "analyzer/radix.h"
#include "analyzer/xalloc.h"

/* In front of the hash maps: threads and stacks repeat. */
#define CACHE_SLOTS_MIN 64u
#define CACHE_SLOTS_MAX 32768u
struct gs_actor_slot {
    uint32_t thread, stack, actor;
    bool used;
};

void gs_decoder_open(struct gs_decoder *d, const struct gs_recording *r,
                     const struct gs_stacks *stacks, struct gs_decoder_size size)
{
    size_t slots = CACHE_SLOTS_MIN;
    while (slots < CACHE_SLOTS_MAX && slots < size.rows)
        slots *= 2;
    memset(d, 0, sizeof(*d));
    d->r = r;
    d->stacks = stacks;
    d->cache = gs_xcalloc(slots, sizeof(*d->cache));
    d->cache_mask = slots - 1;
    d->stride = size.chunk_rows;
    d->columns = gs_xmalloc(GS_CHUNK_MAX_COLS * d->stride, sizeof(*d->columns));
}

void gs_decoder_close(struct gs_decoder *d)
{
    gs_idmap_free(&d->actors);
    free(d->cache);
    free(d->columns);
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

static uint32_t actor_of(struct gs_decoder *d, uint32_t thread, uint32_t stack)
{
    struct gs_actor_slot *slot = &d->cache[(stack * 31u + thread) & d->cache_mask];
    if (!slot->used || slot->thread != thread || slot->stack != stack) {
        uint32_t node = gs_definitions_node(&d->r->defs, d->stacks, stack);
        uint32_t actor = gs_idmap_add(&d->actors, gs_pack32(thread, node));
        *slot = (struct gs_actor_slot){thread, stack, actor, true};
    }
    return slot->actor;
}

/* ---- columns ---- */

/* The header says where a chunk lies; one that lies elsewhere would be looked for in vain. */
static bool is_where_it_says(const struct gs_chunk_ref *c, const uint64_t *seq, size_t n)
{
    uint64_t min = seq[0], max = seq[0];
    for (size_t i = 1; i < n; i++) {
        min = seq[i] < min ? seq[i] : min;
        max = seq[i] > max ? seq[i] : max;
    }
    return min == c->hdr.seq0 && max == c->hdr.seq1;
}

static bool decode_columns(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    const struct gs_stream_desc *desc = gs_stream_desc(c->hdr.stream);
    d->n = c->hdr.n_rows;
    if (!desc || d->n == 0 || d->n > d->stride || desc->n_cols > GS_CHUNK_MAX_COLS)
        return false;
    for (unsigned k = 0; k < desc->n_cols; k++)
        if (gs_chunk_decode_column(c->data, &c->hdr, k, column(d, k)) != GS_OK)
            return false;
    return is_where_it_says(c, column(d, (unsigned)desc->seq_col), d->n);
}

/* hold, wait -> times of the release and of the wait's beginning; what has no such half: of the
 * acquire. */
static void to_times(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    const uint64_t *flags = column(d, GS_SLICE_FLAGS);
    uint64_t *acq = column(d, GS_SLICE_ACQ_NS), *rel = column(d, GS_SLICE_REL_NS);
    uint64_t *begin = column(d, GS_SLICE_BEGIN_NS);
    for (size_t i = 0; i < d->n; i++) {
        uint64_t hold = flags[i] & GS_SLICE_TURN ? rel[i] : 0;
        uint64_t wait = flags[i] & GS_SLICE_WAIT ? begin[i] : 0;
        rel[i] = gs_add_sat(acq[i], hold);
        begin[i] = acq[i] > wait ? acq[i] - wait : 0;
    }
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, acq, d->n);
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, rel, d->n);
    gs_clock_convert(&d->r->clock, c->hdr.clock_epoch, begin, d->n);
}

static void limit_seen(struct gs_decoder *d)
{
    const uint64_t *flags = column(d, GS_SLICE_FLAGS), *seq = column(d, GS_SLICE_SEQ);
    uint64_t *ds = column(d, GS_SLICE_WAIT_DS), sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        ds[i] = ds[i] < UINT32_MAX ? ds[i] : UINT32_MAX;
        ds[i] = ds[i] < seq[i] ? ds[i] : seq[i];
        sum += flags[i] & GS_SLICE_WAIT ? ds[i] : 0;
    }
    d->by_holder = sum <= (uint64_t)GS_STEPS_PER_ROW * d->n + GS_STEPS_OF_CHUNK;
}

bool gs_decode_slices(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    if (!decode_columns(d, c))
        return false;
    to_times(d, c);
    limit_seen(d);
    return true;
}

bool gs_decoded_slice(struct gs_decoder *d, size_t i, struct gs_slice *s)
{
    uint32_t flags =
        (uint32_t)column(d, GS_SLICE_FLAGS)[i] & ~(GS_ROW_KNOWN_STACK | GS_ROW_BY_HOLDER);
    uint32_t hold_stack = GS_STACK_NONE;
    if (!(flags & (GS_SLICE_TURN | GS_SLICE_WAIT)))
        return false;
    s->seq = column(d, GS_SLICE_SEQ)[i];
    s->acq_ns = s->a_ns = column(d, GS_SLICE_ACQ_NS)[i];
    s->rel_ns = column(d, GS_SLICE_REL_NS)[i];
    s->begin_ns = column(d, GS_SLICE_BEGIN_NS)[i];
    s->thread = to_u32(column(d, GS_SLICE_THREAD)[i]);
    if (flags & GS_SLICE_TURN)
        hold_stack = (uint32_t)column(d, GS_SLICE_HOLD_STACK)[i];
    s->hold_actor = actor_of(d, s->thread, hold_stack);
    if (gs_actor_node(&d->actors, s->hold_actor) != d->stacks->no_stack)
        flags |= GS_ROW_KNOWN_STACK;
    s->wait_actor = 0;
    s->ds = 0;
    if (flags & GS_SLICE_WAIT) {
        s->wait_actor = actor_of(d, s->thread, (uint32_t)column(d, GS_SLICE_WAIT_STACK)[i]);
        s->ds = (uint32_t)column(d, GS_SLICE_WAIT_DS)[i];
        if (d->by_holder || s->ds <= GS_STEPS_PER_ROW)
            flags |= GS_ROW_BY_HOLDER;
    }
    s->flags = flags;
    s->order = 0;
    return true;
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
    for (size_t i = 0; i < d->n; i++) {
        struct gs_holder_sample s = {.seq = column(d, P_SEQ)[i], .t_ns = column(d, P_T)[i]};
        uint32_t stack = (uint32_t)column(d, P_STACK)[i];
        if (s.seq < lo || s.seq > last || stack == GS_STACK_NONE)
            continue; /* NONE: the walk failed, it says nothing */
        s.thread = to_u32(column(d, P_THREAD)[i]);
        s.kind = to_u32(column(d, P_KIND)[i]);
        s.actor = actor_of(d, s.thread, stack);
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
