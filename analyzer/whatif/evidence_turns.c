/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "analyzer/turns.h"
#include "analyzer/whatif/evidence.h"
#include "analyzer/xalloc.h"

struct reader {
    struct gs_evidence *e;
    struct gs_recording *r;
    struct gs_tax_reader tax;
    struct gs_decoder d;
    const struct gs_windows *w; /* of the GIL in hand */
    uint64_t last_rel_ns;
    struct gs_segment *segments; /* of the turn in hand */
    size_t cap_segments;
};

/* Samples of a turn, of those of the window in hand. */
static const struct gs_holder_sample *samples_of(const struct gs_decoder *d, uint64_t seq,
                                                 size_t *n)
{
    size_t from = gs_first_sample(d, seq), end = from;
    while (end < d->n_samples && d->samples[end].seq == seq)
        end++;
    *n = end - from;
    return *n ? d->samples + from : NULL;
}

/* Of a turn that ended because it called something, and of which there is no sample, the stack says
 * nothing. */
static void add_segments(struct reader *x, const struct gs_slice *s,
                         const struct gs_holder_sample *samples, size_t n_samples,
                         struct gs_turn_row *t)
{
    struct gs_evidence *e = x->e;
    t->first_segment = e->n_segments;
    if (n_samples == 0 && gs_turn_ended_unasked(s))
        return;
    GS_RESERVE(x->segments, n_samples + GS_TYPICAL_MAX, x->cap_segments);
    size_t n = gs_turn_segments(s, samples, n_samples, NULL, x->segments);
    for (size_t k = 0; k < n; k++) {
        struct gs_segment_row row = {x->segments[k].end_ns,
                                     gs_actor_node(&x->d.actors, x->segments[k].actor)};
        GS_PUSH(e->segments, e->n_segments, e->cap_segments, row);
    }
    t->n_segments = (uint32_t)n;
}

static void add_turn(struct reader *x, const struct gs_slice *s)
{
    struct gs_evidence *e = x->e;
    size_t n_samples;
    struct gs_turn_row t = {
        .asked_ns = s->flags & GS_SLICE_WAIT ? s->begin_ns : s->acq_ns,
        .acq_ns = s->acq_ns,
        .rel_ns = s->rel_ns,
        .thread = gs_recording_thread(x->r, s->thread),
        .node = gs_actor_node(&x->d.actors, s->hold_actor),
        .forced = s->flags & GS_SLICE_FORCED,
    };
    const struct gs_holder_sample *samples = samples_of(&x->d, s->seq, &n_samples);
    t.dropped_ns =
        gs_tax_add_turn(&x->tax, t.thread, &x->d, &x->w->typicals, s, samples, n_samples);
    add_segments(x, s, samples, n_samples, &t);
    uint64_t free_ns = t.asked_ns > x->last_rel_ns ? t.asked_ns : x->last_rel_ns;
    if (t.acq_ns > free_ns + GS_HAND_OVER_NS)
        e->late_ns += t.acq_ns - free_ns - GS_HAND_OVER_NS;
    x->last_rel_ns = t.rel_ns;
    GS_PUSH(e->turns, e->n_turns, e->cap_turns, t);
}

static void add_rows(struct reader *x, const struct gs_window_rows *rows)
{
    for (size_t i = 0; i < rows->n && !gs__evidence_is_full(x->e); i++) {
        struct gs_slice s = gs_row_columns_get(&rows->c, i);
        if (s.flags & GS_SLICE_TURN)
            add_turn(x, &s);
    }
}

/* ---- the turn that had not ended ---- */

/* A process that fork() made mostly ends in the turn that it began its work in. */
static const struct gs_rec_totals *open_turn(const struct gs_recording *r, uint32_t gil)
{
    const struct gs_windows *w = &r->gils[gil].rows;
    const struct gs_rec_totals *found = NULL;
    uint64_t last_ns = 0; /* the last turn that has ended began */
    for (size_t i = 0; i < w->threads.n; i++)
        if (w->last[i].has_turn && w->last[i].turn_acq_ns >= last_ns)
            last_ns = w->last[i].turn_acq_ns + 1;
    for (size_t i = 0; i < r->n_totals; i++) {
        const struct gs_rec_totals *t = &r->totals[i];
        if (t->gil == gil && t->seen && t->open_kind == 1 && t->open_since_ns >= last_ns) {
            found = t;
            last_ns = t->open_since_ns;
        }
    }
    return found;
}

/* Of the GIL, those from t_ns on, of the thread (id), by time. */
static void load_samples_since(struct reader *x, uint32_t gil, uint64_t t_ns, uint32_t thread)
{
    const struct gs_chunk_list *list = &x->r->gils[gil].sample_chunks;
    size_t kept = 0;
    x->d.n_samples = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (!gs_decode_samples(&x->d, list->at[i], 0, UINT64_MAX))
            x->d.n_samples = kept; /* counted as damage when the recording was read */
        for (size_t k = kept; k < x->d.n_samples; k++) {
            struct gs_holder_sample *s = &x->d.samples[k];
            s->seq = 0;
            if (s->t_ns >= t_ns && s->thread == thread)
                x->d.samples[kept++] = *s;
        }
        x->d.n_samples = kept;
    }
    gs_sort_samples(&x->d);
}

static void add_open_turn(struct reader *x, uint32_t gil)
{
    const struct gs_rec_totals *t = open_turn(x->r, gil);
    if (!t || x->r->end_ns <= t->open_since_ns || gs__evidence_is_full(x->e))
        return;
    uint32_t thread = x->r->threads[t->thread].id;
    uint32_t node = gs_definitions_node(&x->r->defs, x->tax.stacks, t->open_stack);
    struct gs_slice s = {.acq_ns = t->open_since_ns,
                         .rel_ns = x->r->end_ns,
                         .begin_ns = t->open_since_ns,
                         .thread = thread,
                         .hold_actor = gs_idmap_add(&x->d.actors, gs_pack32(thread, node)),
                         .flags = GS_SLICE_TURN};
    load_samples_since(x, gil, t->open_since_ns, thread);
    add_turn(x, &s);
}

/* ---- all of them ---- */

static void read_gil(struct reader *x, uint32_t gil)
{
    struct gs_window_rows rows = {0};
    x->w = &x->r->gils[gil].rows;
    x->last_rel_ns = 0;
    gs_decoder_open(&x->d, x->r, x->tax.stacks, x->w->size);
    for (size_t i = 0; i < x->w->n && !x->e->too_long; i++) {
        gs_window_load(x->w, i, &x->d, &rows);
        add_rows(x, &rows);
        gs_window_forget(x->w, i);
    }
    add_open_turn(x, gil);
    gs_window_rows_free(&rows);
    gs_decoder_close(&x->d);
}

void gs__evidence_turns(struct gs_evidence *e, struct gs_recording *r,
                        const struct gs_stacks *stacks)
{
    struct reader x = {.e = e, .r = r};
    e->classes = gs_tax_classes(stacks);
    gs_tax_reader_open(&x.tax, r, stacks, e->classes, &e->tax);
    for (uint32_t g = 0; g < r->n_gils; g++)
        read_gil(&x, g);
    gs_tax_add_folded(&x.tax);
    gs_tax_reader_close(&x.tax);
    free(x.segments);
}
