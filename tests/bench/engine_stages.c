/* SPDX-License-Identifier: MIT
 * read      nothing but the bytes of the chunks: no stage can be quicker
 * decode    columns of all chunks, times in ns
 * group     of the columns that this needs, as of a database: sums by hold_stack
 * hists     the same, and two histograms
 * survey    windows planned and surveyed
 * order     the same, then the rows of each window in order of seq
 * blame     the profile without who waited for whom: sums, histograms and blame by stack
 * build     everything: the whole profile
 *
 * Group and hists are what is asked of databases too; the loop over the columns is here, as no
 * command does only this.
 */
#include "tests/bench/engine_stages.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/parallel.h"
#include "analyzer/slices.h"
#include "analyzer/windows.h"
#include "analyzer/xalloc.h"

struct worker {
    struct gs_decoder d;
    struct gs_window_rows rows;
    struct gs_row_columns c; /* the chunk in hand */
    struct stage_sum *sums;  /* by stack id */
    size_t cap_sums;
    uint32_t ids[2 * GS_CHUNK_MAX_ROWS + 1]; /* of the dictionary in hand */
    uint64_t hold_hist[GS_HIST_BUCKETS], wait_hist[GS_HIST_BUCKETS];
    uint64_t n_rows, hash;
};
struct crew {
    const struct gs_chunk_list *chunks;
    const struct gs_windows *windows;
    struct worker *workers;
    unsigned n;
    bool check;
};

static struct crew open_crew(struct stages *s, size_t n_items)
{
    unsigned n = gs_parallel_workers(s->options.jobs, n_items);
    struct crew c = {&s->g.gil->slice_chunks, NULL, gs_xcalloc(n, sizeof(*c.workers)), n, s->check};
    for (unsigned i = 0; i < n; i++)
        gs_decoder_open(&c.workers[i].d, &s->g.r, &s->g.stacks, s->g.gil->rows.size);
    return c;
}

static void close_crew(struct crew *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        gs_decoder_close(&c->workers[i].d);
        gs_window_rows_free(&c->workers[i].rows);
        gs_row_columns_free(&c->workers[i].c);
        free(c->workers[i].sums);
    }
    free(c->workers);
}

/* ---- read, decode, group, hists ---- */

static void read_chunk(void *ctx, unsigned worker, size_t i)
{
    const struct crew *c = ctx;
    const struct gs_chunk_ref *chunk = c->chunks->at[i];
    uint64_t sums[4] = {0}, words[4];
    for (size_t at = 0; at + sizeof(words) <= chunk->hdr.total_len; at += sizeof(words)) {
        memcpy(words, chunk->data + at, sizeof(words));
        for (size_t k = 0; k < 4; k++)
            sums[k] += words[k];
    }
    c->workers[worker].hash += sums[0] + sums[1] + sums[2] + sums[3];
}

static void run_read(struct stages *s)
{
    struct crew c = open_crew(s, s->g.gil->slice_chunks.n);
    gs_parallel(c.n, c.chunks->n, read_chunk, &c);
    for (unsigned i = 0; i < c.n; i++)
        s->hash += c.workers[i].hash;
    close_crew(&c);
}

static void decode_chunk(void *ctx, unsigned worker, size_t i)
{
    struct worker *w = &((struct crew *)ctx)->workers[worker];
    const struct gs_chunk_ref *chunk = ((struct crew *)ctx)->chunks->at[i];
    gs_row_columns_reserve(&w->c, chunk->hdr.n_rows, 0);
    if (!gs_decode_indexes(&w->d, chunk, &w->c, 0))
        one_gil_fail("decode", "a chunk is damaged, or not as agents write them");
}

static void run_decode(struct stages *s)
{
    struct crew c = open_crew(s, s->g.gil->slice_chunks.n);
    gs_parallel(c.n, c.chunks->n, decode_chunk, &c);
    close_crew(&c);
}

static bool decode_for_sums(struct worker *w, const struct gs_chunk_ref *c)
{
    struct gs_chunk_hdr *h = &w->d.header;
    const void *data = c->data;
    w->d.chunk = c;
    w->d.n = c->hdr.n_rows;
    if (!gs_chunk_header(c, h) ||
        gs_chunk_decode_narrow(data, h, GS_SLICE_FLAGS, w->c.flags) != GS_OK ||
        gs_chunk_decode_narrow(data, h, GS_SLICE_HOLD_STACK, w->c.hold_actor) != GS_OK ||
        gs_chunk_decode_indexes(data, h, GS_SLICE_ACQ_NS, w->c.acq_ns) != GS_OK ||
        gs_chunk_decode_indexes(data, h, GS_SLICE_REL_NS, w->c.rel_ns) != GS_OK ||
        gs_chunk_decode_indexes(data, h, GS_SLICE_BEGIN_NS, w->c.begin_ns) != GS_OK)
        return false;
    gs_row_times_ns(&w->d.r->clock, c->hdr.clock_epoch, &w->c, w->d.n);
    return true;
}

/* Ids of the chunk's dictionary. */
static void reserve_sums(struct worker *w)
{
    const struct gs_chunk_hdr *h = &w->d.header;
    uint64_t most = 0;
    size_t had = w->cap_sums;
    for (uint32_t k = 0; k < h->n_dict; k++) {
        w->ids[k] = gs_chunk_dict_id(w->d.chunk->data, h, k);
        most = w->ids[k] > most ? w->ids[k] : most;
    }
    w->ids[h->n_dict] = GS_STACK_NONE;
    if (most > UINT32_MAX >> 4)
        one_gil_fail("group", "wants ids of stacks that are dense");
    GS_RESERVE(w->sums, (size_t)most + 1, w->cap_sums);
    if (w->cap_sums > had)
        memset(w->sums + had, 0, (w->cap_sums - had) * sizeof(*w->sums));
}

static void group_chunk(void *ctx, unsigned worker, size_t chunk)
{
    struct worker *w = &((struct crew *)ctx)->workers[worker];
    const struct gs_chunk_ref *at = ((struct crew *)ctx)->chunks->at[chunk];
    gs_row_columns_reserve(&w->c, at->hdr.n_rows, 0);
    if (!decode_for_sums(w, at))
        one_gil_fail("group", "a chunk is damaged, or not as agents write them");
    reserve_sums(w);
    struct gs_row_columns c = w->c;
    for (size_t i = 0; i < w->d.n; i++) {
        struct stage_sum *to =
            &w->sums[c.flags[i] & GS_SLICE_TURN ? w->ids[c.hold_actor[i]] : GS_STACK_NONE];
        to->hold_ns += c.rel_ns[i] - c.acq_ns[i];
        to->wait_ns += c.acq_ns[i] - c.begin_ns[i];
        to->count++;
    }
}

static void count_chunk(void *ctx, unsigned worker, size_t chunk)
{
    struct worker *w = &((struct crew *)ctx)->workers[worker];
    group_chunk(ctx, worker, chunk);
    struct gs_row_columns c = w->c;
    for (size_t i = 0; i < w->d.n; i++) {
        w->hold_hist[gs_hist_bucket_of(c.rel_ns[i] - c.acq_ns[i])] +=
            (c.flags[i] & GS_SLICE_TURN) != 0;
        w->wait_hist[gs_hist_bucket_of(c.acq_ns[i] - c.begin_ns[i])] +=
            (c.flags[i] & GS_SLICE_WAIT) != 0;
    }
}

static void add_worker(struct stages *s, const struct worker *w)
{
    for (size_t id = 0; id < w->cap_sums; id++) {
        if (!w->sums[id].count)
            continue;
        struct stage_sum *to = &s->by_node[gs_definitions_node(&s->g.r.defs, &s->g.stacks, id)];
        to->hold_ns += w->sums[id].hold_ns;
        to->wait_ns += w->sums[id].wait_ns;
        to->count += w->sums[id].count;
    }
    for (size_t b = 0; b < GS_HIST_BUCKETS; b++) {
        s->hold_hist[b] += w->hold_hist[b];
        s->wait_hist[b] += w->wait_hist[b];
    }
}

static void group(struct stages *s, void (*fn)(void *ctx, unsigned worker, size_t chunk))
{
    struct crew c = open_crew(s, s->g.gil->slice_chunks.n);
    s->by_node = gs_xcalloc(s->g.stacks.n_nodes, sizeof(*s->by_node));
    gs_parallel(c.n, c.chunks->n, fn, &c);
    for (unsigned i = 0; i < c.n; i++)
        add_worker(s, &c.workers[i]);
    close_crew(&c);
}

static void run_group(struct stages *s)
{
    group(s, group_chunk);
}

static void run_hists(struct stages *s)
{
    group(s, count_chunk);
}

/* ---- survey, order ---- */

static struct gs_windows survey(struct stages *s)
{
    struct gs_windows w;
    gs_windows_open(&w, &s->g.gil->slice_chunks, &s->g.gil->sample_chunks, &s->g.r, &s->g.stacks,
                    s->options.window_rows, s->options.jobs);
    return w;
}

static void run_survey(struct stages *s)
{
    struct gs_windows w = survey(s);
    gs_windows_close(&w);
}

static void check_order(struct worker *w, const struct gs_window *at)
{
    for (size_t i = 0; i < w->rows.n; i++) {
        uint64_t seq = w->rows.c.seq[i];
        if (seq < at->lo || seq > at->last || (i && seq <= w->rows.c.seq[i - 1]))
            one_gil_fail("order", "rows are out of order");
        w->hash += w->rows.c.acq_ns[i] * (2 * seq + 1);
    }
}

static void order_window(void *ctx, unsigned worker, size_t window)
{
    struct crew *c = ctx;
    struct worker *w = &c->workers[worker];
    gs_window_load(c->windows, window, &w->d, &w->rows);
    w->n_rows += w->rows.n;
    if (c->check)
        check_order(w, &c->windows->at[window]);
}

static void run_order(struct stages *s)
{
    struct gs_windows windows = survey(s);
    struct crew c = open_crew(s, windows.n);
    c.windows = &windows;
    gs_parallel(c.n, windows.n, order_window, &c);
    for (unsigned i = 0; i < c.n; i++) {
        s->n_rows += c.workers[i].n_rows;
        s->hash += c.workers[i].hash;
    }
    close_crew(&c);
    gs_windows_close(&windows);
}

/* ---- all of it ---- */

static void build_profile(struct stages *s, bool no_pairs)
{
    struct gs_load_options options = s->options;
    struct gs_error err = {0};
    options.no_pairs = no_pairs;
    if (gs_profile_build(&s->g.captures, &options, &s->profile, &err) != GS_OK)
        one_gil_fail("build", err.text);
}

static void run_blame(struct stages *s)
{
    build_profile(s, true);
}

static void run_build(struct stages *s)
{
    build_profile(s, false);
}

static const struct stage all[] = {
    {"read", run_read},     {"decode", run_decode}, {"group", run_group}, {"hists", run_hists},
    {"survey", run_survey}, {"order", run_order},   {"blame", run_blame}, {"build", run_build},
};

const struct stage *stage_find(const char *name)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

void stages_clear(struct stages *s)
{
    free(s->by_node);
    s->by_node = NULL;
    memset(s->hold_hist, 0, sizeof(s->hold_hist));
    memset(s->wait_hist, 0, sizeof(s->wait_hist));
    s->n_rows = s->hash = 0;
    gs_profile_free(&s->profile);
}
