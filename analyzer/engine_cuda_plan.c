/* SPDX-License-Identifier: MIT */
#include "analyzer/engine_cuda_plan.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

void gs_cuda_planner_open(struct gs_cuda_planner *p, const struct gs_windows *w,
                          struct gs_decoder *d, struct gs_cuda_room room)
{
    *p = (struct gs_cuda_planner){.w = w, .room = room, .d = d};
}

void gs_cuda_planner_close(struct gs_cuda_planner *p)
{
    free(p->chunks);
    free(p->parts);
    free(p->headers);
    free(p->wide);
    free(p->narrow);
    memset(p, 0, sizeof(*p));
}

/* Windows [from, to); the first has rows, `last` is the last that has. */
struct group {
    size_t from, to, last;
};

/* ---- which windows ---- */

static void add_chunk_cost(const struct gs_cuda_planner *p, uint32_t part,
                           struct gs_cuda_room *cost)
{
    const struct gs_chunk_ref *c = p->w->slices->at[p->w->parts[part].chunk];
    cost->rows += gs_chunk_rows(c);
    cost->encoded_bytes += c->hdr.total_len;
}

static void add_own_cost(const struct gs_cuda_planner *p, size_t window, struct gs_cuda_room *cost)
{
    const struct gs_window *at = &p->w->at[window];
    for (size_t i = 0; i < at->n_own; i++)
        add_chunk_cost(p, (uint32_t)(at->own + i), cost);
}

/* Of a group that ends with this window. */
static bool fits(const struct gs_cuda_planner *p, size_t window, struct gs_cuda_room cost)
{
    const struct gs_window *at = &p->w->at[window];
    for (size_t i = 0; i < at->n_reaching; i++)
        add_chunk_cost(p, p->w->reaching[at->reaching + i], &cost);
    return cost.rows <= p->room.rows && cost.encoded_bytes <= p->room.encoded_bytes;
}

/* A chunk of two neighbours is counted twice, though decoded once: the cost is at most too much. */
static bool next_group(struct gs_cuda_planner *p, struct group *g)
{
    struct gs_cuda_room cost = {0, 0};
    size_t n = p->w->n, k = p->next;
    while (k < n && p->w->at[k].n_rows == 0)
        k++;
    if (k == n)
        return false;
    *g = (struct group){.from = k, .last = k};
    for (; k < n; k++) {
        add_own_cost(p, k, &cost);
        if (k > g->from && !fits(p, k, cost))
            break;
        if (p->w->at[k].n_rows)
            g->last = k;
    }
    g->to = p->next = k;
    return true;
}

/* ---- their chunks ---- */

static void add_chunk(struct gs_cuda_planner *p, uint32_t chunk)
{
    GS_PUSH(p->chunks, p->n_chunks, p->cap_chunks, chunk);
}

static int by_number(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return a < b ? -1 : a > b;
}

/* In the order of the file, each once. */
static void sort_chunks(struct gs_cuda_planner *p)
{
    size_t kept = 0;
    if (p->n_chunks)
        qsort(p->chunks, p->n_chunks, sizeof(*p->chunks), by_number);
    for (size_t i = 0; i < p->n_chunks; i++)
        if (kept == 0 || p->chunks[kept - 1] != p->chunks[i])
            p->chunks[kept++] = p->chunks[i];
    p->n_chunks = kept;
}

static void add_part(struct gs_cuda_planner *p, uint32_t chunk, uint64_t lo, uint64_t last,
                     uint64_t reaching_below)
{
    const struct gs_chunk_ref *c = p->w->slices->at[chunk];
    struct gs_cuda_part part = {c->data, NULL, chunk, lo, last, reaching_below};
    GS_PUSH(p->parts, p->n_parts, p->cap_parts, part);
}

static void list_own(struct gs_cuda_planner *p, const struct group *g)
{
    p->n_chunks = p->n_parts = 0;
    for (size_t k = g->from; k < g->to; k++)
        for (size_t i = 0; i < p->w->at[k].n_own; i++) {
            const struct gs_window_part *part = &p->w->parts[p->w->at[k].own + i];
            if (!part->damaged)
                add_chunk(p, part->chunk);
        }
    sort_chunks(p);
    for (size_t i = 0; i < p->n_chunks; i++)
        add_part(p, p->chunks[i], p->w->at[g->from].lo, p->w->at[g->to - 1].last, 0);
}

/* Waits that end behind the group and saw turns of it: they saw its last rows, too. */
static void list_reaching(struct gs_cuda_planner *p, const struct group *g)
{
    const struct gs_window *last = &p->w->at[g->last];
    for (size_t i = 0; i < last->n_reaching; i++) {
        const struct gs_window_part *part = &p->w->parts[p->w->reaching[last->reaching + i]];
        const struct gs_window *home = &p->w->at[part->window];
        if (part->window >= g->to)
            add_part(p, part->chunk, home->lo, home->last, last->next_seq);
    }
}

/* One that is not sound any more becomes one without rows, which no device takes. */
static void read_headers(struct gs_cuda_planner *p)
{
    GS_RESERVE(p->headers, p->n_parts, p->cap_headers);
    for (size_t i = 0; i < p->n_parts; i++) {
        if (!gs_chunk_header(p->w->slices->at[p->parts[i].chunk], &p->headers[i]))
            memset(&p->headers[i], 0, sizeof(p->headers[i]));
        p->parts[i].hdr = &p->headers[i];
    }
}

static uint64_t last_seq(const struct gs_cuda_planner *p, const struct gs_cuda_window *w)
{
    uint64_t last = w->first_seq;
    for (size_t i = 0; i < w->n_own; i++) {
        uint64_t seq1 = p->w->slices->at[p->parts[i].chunk]->hdr.seq1;
        seq1 = seq1 < p->parts[i].last ? seq1 : p->parts[i].last;
        last = seq1 > last ? seq1 : last;
    }
    return last;
}

/* ---- their samples ---- */

static void decode_samples(struct gs_cuda_planner *p, const struct group *g)
{
    uint64_t lo = p->w->at[g->from].lo, last = p->w->at[g->to - 1].last;
    p->n_chunks = p->d->n_samples = 0;
    for (size_t k = g->from; k < g->to; k++)
        for (size_t i = 0; i < p->w->at[k].n_samples; i++)
            add_chunk(p, p->w->sample_chunks[p->w->at[k].samples + i]);
    sort_chunks(p);
    for (size_t i = 0; i < p->n_chunks; i++)
        gs_decode_samples(p->d, p->w->sample_list->at[p->chunks[i]], lo, last);
    gs_sort_samples(p->d);
}

static void list_samples(struct gs_cuda_planner *p, struct gs_cuda_samples *out)
{
    size_t n = p->d->n_samples;
    GS_RESERVE(p->wide, 3 * n, p->cap_wide);
    GS_RESERVE(p->narrow, 2 * n, p->cap_narrow);
    for (size_t i = 0; i < n; i++) {
        const struct gs_holder_sample *s = &p->d->samples[i];
        p->wide[i] = s->seq;
        p->wide[n + i] = s->t_ns;
        p->wide[2 * n + i] = p->d->actors.keys[s->actor];
        p->narrow[i] = s->thread;
        p->narrow[n + i] = s->kind;
    }
    *out = (struct gs_cuda_samples){0};
    if (n)
        *out = (struct gs_cuda_samples){n,         p->wide,      p->wide + n, p->wide + 2 * n,
                                        p->narrow, p->narrow + n};
}

/* ---- all of it ---- */

static void describe(const struct gs_cuda_planner *p, const struct group *g,
                     struct gs_cuda_window *out)
{
    const struct gs_window *first = &p->w->at[g->from], *last = &p->w->at[g->last];
    out->first_seq = first->first_seq;
    out->last_seq = last_seq(p, out);
    out->before_ns = first->before_ns;
    out->next_seq = last->next_seq;
    out->next_a_ns = last->next_a_ns;
    out->is_first = !p->any_before;
}

bool gs_cuda_planner_next(struct gs_cuda_planner *p, struct gs_cuda_window *out)
{
    struct group g;
    memset(out, 0, sizeof(*out));
    if (!next_group(p, &g))
        return false;
    list_own(p, &g);
    out->n_own = p->n_parts;
    list_reaching(p, &g);
    read_headers(p);
    out->parts = p->parts;
    out->n_parts = p->n_parts;
    describe(p, &g, out);
    decode_samples(p, &g);
    list_samples(p, &out->samples);
    p->any_before = true;
    return true;
}
