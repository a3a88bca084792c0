/* SPDX-License-Identifier: MIT
 * Device memory over time, by kind and by stack. Rows are replayed three times: to find the peak
 * and what failed on the way, up to the peak, and to draw the curves.
 */
#include <stdlib.h>

#include "analyzer/profile_cuda_build.h"
#include "analyzer/xalloc.h"

#define MAX_SAMPLES   1000
#define MAX_MOMENTS   200 /* of curves by stack */
#define MAX_CURVES    12
#define MAX_OOMS      10
#define OUT_OF_MEMORY 2 /* CUDA_ERROR_OUT_OF_MEMORY */

static uint64_t begin_ns(const struct gs_recording *r)
{
    return r->detail_ns ? r->detail_ns : r->start_ns;
}

/* The next row that changes what lives; false at the end. */
static bool next_change(struct gs_cuda_replay *replay)
{
    bool changed = false;
    while (!changed && gs_cuda_replay_step(replay, &changed))
        ;
    return changed;
}

/* ---- out of memory ---- */

static int by_live(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_top *a = pa, *b = pb;
    if (a->live_bytes != b->live_bytes)
        return a->live_bytes > b->live_bytes ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* Whose blocks fill the device. */
static void put_oom_top(const struct gs_cuda_replay *replay, struct gs_prof_cuda_oom *oom)
{
    struct gs_prof_cuda_top *all = gs_xcalloc(replay->n_nodes, sizeof(*all));
    for (size_t i = 0; i < replay->n_nodes; i++)
        all[i].node = replay->nodes[i].node;
    for (size_t i = 0; i < replay->n_blocks; i++) {
        const struct gs_cuda_block *b = &replay->blocks[i];
        if (!b->lives || !gs_cuda_is_device_kind(b->kind))
            continue;
        int64_t device = replay->devices[replay->contexts[b->context].device].device;
        if (oom->device < 0 || device == oom->device)
            all[b->node].live_bytes += b->bytes;
    }
    if (replay->n_nodes)
        qsort(all, replay->n_nodes, sizeof(*all), by_live);
    for (size_t i = 0; i < replay->n_nodes && i < GS_CUDA_OOM_TOP && all[i].live_bytes; i++)
        oom->top[oom->n_top++] = all[i];
    free(all);
}

static void add_oom(struct gs_cuda_builder *b, const struct gs_cuda_replay *replay,
                    const struct gs_cuda_row *row)
{
    if (b->out->oom_count++ >= MAX_OOMS)
        return;
    struct gs_prof_cuda_oom oom = {
        .t_ns = gs_cuda_since_start(b->r, row->t_ns),
        .asked_bytes = row->bytes,
        .call = row->call,
        .result = row->result,
        .context = row->context,
        .node = row->node,
        .kind = row->kind,
        .device = gs_cuda_device_of(&b->r->cuda, row->context),
    };
    const struct gs_cuda_live_device *d = gs_cuda_replay_device(replay, oom.device);
    oom.live_bytes = oom.device < 0 ? replay->device_bytes : d ? d->bytes : 0;
    put_oom_top(replay, &oom);
    b->out->ooms = gs_xrealloc(b->out->ooms, b->out->n_ooms + 1, sizeof(oom));
    b->out->ooms[b->out->n_ooms++] = oom;
}

static bool is_oom(const struct gs_cuda_row *row)
{
    return row->op == GS_CUDA_OP_ALLOC && row->result == OUT_OF_MEMORY;
}

/* ---- the first walk ---- */

struct walk {
    struct gs_cuda_builder *b;
    struct gs_cuda_from_rows *sums;
    uint64_t *at_used; /* of CUDA_USED records: what was allocated on the device */
    size_t next_used;
    size_t n_changes, peak; /* peak: which change; n_changes if there was none */
    uint64_t peak_ns;
};

/* Looks at the machine before the next row's effect see what all rows so far made. */
static void look(struct walk *w, const struct gs_cuda_replay *replay, uint64_t before_ns)
{
    const struct gs_cuda_rows *c = &w->b->r->cuda;
    for (; w->next_used < c->n_used && c->used[w->next_used].t_ns < before_ns; w->next_used++) {
        const struct gs_cuda_live_device *d =
            gs_cuda_replay_device(replay, c->used[w->next_used].device);
        w->at_used[w->next_used] = d ? d->allocated_bytes : 0;
    }
}

static void note_peaks(struct walk *w, const struct gs_cuda_replay *replay)
{
    for (unsigned k = 0; k < GS_N_CUDA_KIND; k++)
        if (replay->kind_bytes[k] > w->sums->kind_peaks[k])
            w->sums->kind_peaks[k] = replay->kind_bytes[k];
    if (replay->device_bytes > w->sums->peak_bytes) {
        w->sums->peak_bytes = replay->device_bytes;
        w->peak = w->n_changes;
        w->peak_ns = replay->t_ns;
    }
    w->n_changes++;
}

static void walk_all(struct walk *w, struct gs_cuda_replay *replay)
{
    const struct gs_cuda_row *row;
    bool changed;
    w->peak = SIZE_MAX;
    while ((row = gs_cuda_replay_peek(replay))) {
        uint64_t ns = gs_cuda_effect_ns(row);
        look(w, replay, ns > replay->t_ns ? ns : replay->t_ns);
        row = gs_cuda_replay_step(replay, &changed);
        if (is_oom(row))
            add_oom(w->b, replay, row);
        if (changed)
            note_peaks(w, replay);
    }
    look(w, replay, UINT64_MAX);
    w->sums->live_bytes = replay->device_bytes;
    for (unsigned k = 0; k < GS_N_CUDA_KIND; k++) {
        w->sums->kind_bytes[k] = replay->kind_bytes[k];
        w->sums->counts[k] = replay->counts[k];
    }
}

/* ---- by stack ---- */

static int by_node(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_row *a = pa, *b = pb;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* At the end of the replay: in the order of its nodes. */
static struct gs_prof_cuda_row *rows_of(const struct gs_cuda_builder *b,
                                        const struct gs_cuda_replay *end)
{
    struct gs_prof_cuda_row *rows = gs_xcalloc(end->n_nodes, sizeof(*rows));
    for (size_t i = 0; i < end->n_nodes; i++)
        rows[i] = (struct gs_prof_cuda_row){
            .process = b->process,
            .node = end->nodes[i].node,
            .live_bytes = end->nodes[i].bytes,
            .allocations = end->nodes[i].allocations,
        };
    return rows;
}

/* Nodes get their indexes in the same order each time. */
static void add_peak(const struct walk *w, struct gs_prof_cuda_row *rows)
{
    struct gs_cuda_replay replay;
    if (w->peak == SIZE_MAX)
        return;
    gs_cuda_replay_open(&replay, &w->b->r->cuda, begin_ns(w->b->r));
    for (size_t i = 0; i <= w->peak; i++)
        next_change(&replay);
    for (size_t i = 0; i < replay.n_nodes; i++)
        rows[i].peak_bytes = replay.nodes[i].bytes;
    gs_cuda_replay_close(&replay);
}

static void append_rows(struct gs_cuda_builder *b, struct gs_prof_cuda_row *rows, size_t n)
{
    struct gs_profile *p = b->profile;
    if (n)
        qsort(rows, n, sizeof(*rows), by_node);
    p->cuda_rows = gs_xrealloc(p->cuda_rows, p->n_cuda_rows + n, sizeof(*rows));
    for (size_t i = 0; i < n; i++)
        if (rows[i].allocations)
            p->cuda_rows[p->n_cuda_rows++] = rows[i];
}

/* ---- curves ---- */

/* Every step-th change, the last one and the peak: `most` of them at most. */
static bool is_shown(const struct walk *w, size_t i, size_t most)
{
    size_t n = w->n_changes, step = n <= most ? 1 : n / (most - 2) + 1;
    return i % step == 0 || i + 1 == n || i == w->peak;
}

static int by_peak(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_row *a = pa, *b = pb;
    if (a->peak_bytes != b->peak_bytes)
        return a->peak_bytes > b->peak_bytes ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* The stacks with most at the peak, and one row for all others. */
static void open_curves(struct gs_prof_cuda *out, const struct gs_prof_cuda_row *rows, size_t n,
                        size_t n_moments)
{
    struct gs_prof_cuda_row *order = gs_xmalloc(n, sizeof(*order));
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        order[i] = rows[i];
    if (n)
        qsort(order, n, sizeof(*order), by_peak);
    out->curves = gs_xcalloc(MAX_CURVES + 1, sizeof(*out->curves));
    for (; at < n && at < MAX_CURVES && order[at].peak_bytes; at++)
        out->curves[at].node = order[at].node;
    out->n_curves = at + 1;
    for (size_t i = 0; i < out->n_curves; i++)
        out->curves[i].bytes = gs_xcalloc(n_moments, sizeof(*out->curves[i].bytes));
    out->curve_t_ns = gs_xcalloc(n_moments, sizeof(*out->curve_t_ns));
    free(order);
}

static void put_moment(struct gs_cuda_builder *b, const struct gs_cuda_replay *replay)
{
    struct gs_prof_cuda *out = b->out;
    uint64_t others = replay->device_bytes;
    size_t at = out->n_curve++, last = out->n_curves - 1;
    out->curve_t_ns[at] = gs_cuda_since_start(b->r, replay->t_ns);
    for (size_t i = 0; i < last; i++) {
        uint32_t node = gs_idmap_find(&replay->node_map, out->curves[i].node);
        if (node == GS_IDMAP_NONE)
            continue; /* not yet */
        out->curves[i].bytes[at] = replay->nodes[node].bytes;
        others -= replay->nodes[node].bytes;
    }
    out->curves[last].bytes[at] = others;
}

static void put_sample(struct gs_cuda_builder *b, const struct gs_cuda_replay *replay)
{
    struct gs_prof_cuda_sample *s = &b->out->samples[b->out->n_samples++];
    s->t_ns = gs_cuda_since_start(b->r, replay->t_ns);
    for (unsigned k = 0; k < GS_N_CUDA_SAMPLED; k++)
        s->bytes[k] = replay->kind_bytes[GS_CUDA_KIND_DEVICE + k];
}

_Static_assert(GS_CUDA_SHOWN_HOST == GS_CUDA_KIND_HOST - GS_CUDA_KIND_DEVICE,
               "kinds in samples are numbered alike");

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void draw(const struct walk *w, const struct gs_prof_cuda_row *rows, size_t n)
{
    struct gs_cuda_builder *b = w->b;
    struct gs_cuda_replay replay;
    if (w->n_changes == 0)
        return;
    b->out->samples = gs_xcalloc(least(w->n_changes, MAX_SAMPLES), sizeof(*b->out->samples));
    open_curves(b->out, rows, n, least(w->n_changes, MAX_MOMENTS));
    gs_cuda_replay_open(&replay, &b->r->cuda, begin_ns(b->r));
    for (size_t i = 0; i < w->n_changes; i++) {
        next_change(&replay);
        if (is_shown(w, i, MAX_SAMPLES))
            put_sample(b, &replay);
        if (is_shown(w, i, MAX_MOMENTS))
            put_moment(b, &replay);
    }
    gs_cuda_replay_close(&replay);
}

void gs_cuda_put_live(struct gs_cuda_builder *b, struct gs_cuda_from_rows *sums)
{
    struct gs_cuda_replay replay;
    struct walk w = {.b = b, .sums = sums};
    w.at_used = gs_xcalloc(b->r->cuda.n_used, sizeof(*w.at_used));
    gs_cuda_replay_open(&replay, &b->r->cuda, begin_ns(b->r));
    walk_all(&w, &replay);
    b->out->peak_t_ns = w.peak == SIZE_MAX ? 0 : gs_cuda_since_start(b->r, w.peak_ns);
    struct gs_prof_cuda_row *rows = rows_of(b, &replay);
    add_peak(&w, rows);
    draw(&w, rows, replay.n_nodes);
    append_rows(b, rows, replay.n_nodes);
    gs_cuda_put_contexts(b, &replay, w.at_used);
    gs_cuda_replay_close(&replay);
    free(rows);
    free(w.at_used);
}
