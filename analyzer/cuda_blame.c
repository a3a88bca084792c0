/* SPDX-License-Identifier: MIT
 * Linear in rows and waits, but for a search of each, which begins where the one before ended: a
 * wait that covers many rows wholly counts at both ends of the stretch only. All waits are laid
 * over all rows, and a thread's own waits over its own rows, which are taken off. Windows are
 * walked side by side; sums of 128 bits are added to in halves, so that their order is no matter.
 * So many rows at a time, where calls begin in order of seq on each GIL, as they do unless clocks
 * lie; else all at once.
 */
#include "analyzer/cuda_blame.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/parallel.h"
#include "analyzer/xalloc.h"

#define BATCH_ROWS 65536u

typedef unsigned __int128 u128;

struct held { /* the time of a row */
    uint64_t begin_ns, end_ns;
    size_t row;
    uint32_t gil, thread;
};
struct overlap {
    _Atomic uint64_t low_ns, high_ns; /* of waits that lie in it in part */
    _Atomic int64_t whole; /* difference: waits that cover it wholly, beside the one before it */
};
struct table { /* times that do not overlap, in order */
    const struct held *at;
    struct overlap *sums;
    size_t n;
};

/* ---- whose GIL ---- */

uint32_t *gs_cuda_gils(const struct gs_recording *r)
{
    uint32_t *gils = gs_xmalloc(r->n_threads, sizeof(*gils));
    uint64_t *most = gs_xcalloc(r->n_threads, sizeof(*most));
    for (size_t i = 0; i < r->n_threads; i++)
        gils[i] = r->n_gils == 1 ? 0 : GS_IDMAP_NONE;
    for (size_t i = 0; i < r->n_totals && r->n_gils > 1; i++) {
        const struct gs_rec_totals *t = &r->totals[i];
        uint32_t *gil = &gils[t->thread];
        bool lower = *gil == GS_IDMAP_NONE || r->gils[t->gil].id < r->gils[*gil].id;
        if (t->acquisitions < most[t->thread] || (t->acquisitions == most[t->thread] && !lower))
            continue;
        most[t->thread] = t->acquisitions;
        *gil = t->gil;
    }
    for (size_t g = 0; g < r->n_gils && r->n_gils > 1; g++) /* no totals: killed early */
        for (size_t i = 0; i < r->gils[g].rows.threads.n; i++) {
            uint32_t id = (uint32_t)r->gils[g].rows.threads.keys[i];
            uint32_t *gil = &gils[gs_idmap_find(&r->thread_map, id)];
            if (*gil == GS_IDMAP_NONE)
                *gil = (uint32_t)g;
        }
    free(most);
    return gils;
}

/* ---- rows ---- */

static int by_gil_and_time(const void *pa, const void *pb)
{
    const struct held *a = pa, *b = pb;
    if (a->gil != b->gil)
        return a->gil < b->gil ? -1 : 1;
    if (a->begin_ns != b->begin_ns)
        return a->begin_ns < b->begin_ns ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row; /* in order of seq */
}

static int by_thread(const void *pa, const void *pb)
{
    const struct held *a = pa, *b = pb;
    if (a->gil != b->gil)
        return a->gil < b->gil ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    if (a->end_ns != b->end_ns) /* they do not overlap: so begins are in order, too */
        return a->end_ns < b->end_ns ? -1 : 1;
    return a->begin_ns < b->begin_ns ? -1 : a->begin_ns > b->begin_ns;
}

struct wait_span { /* when a window's waits are */
    uint64_t from_ns, to_ns;
};
struct blamer {
    const struct gs_recording *r;
    const struct gs_stacks *stacks;
    gs_cuda_blamed_fn *fn;
    void *ctx;
    uint32_t *gils;           /* by dense thread */
    uint64_t *ended_ns;       /* by GIL: when the rows so far had ended */
    struct wait_span **spans; /* by GIL, then window; NULL: not known yet */
    struct gs_cuda_row *rows; /* the batch */
    size_t n_rows, cap_rows;
    struct held *held; /* of them */
    size_t n_held, cap_held;
};

static bool find_held(const struct blamer *b, const struct gs_cuda_row *row, struct held *out)
{
    uint32_t thread = gs_idmap_find(&b->r->thread_map, row->thread);
    uint32_t gil = thread != GS_IDMAP_NONE ? b->gils[thread]
                   : b->r->n_gils == 1     ? 0
                                           : GS_IDMAP_NONE;
    *out = (struct held){row->t_ns, row->t_ns + row->duration_ns, 0, gil, thread};
    return (row->flags & GS_CUDA_HELD) && row->duration_ns && gil != GS_IDMAP_NONE;
}

static bool in_order(const struct blamer *b)
{
    struct gs_row_cursor cursor;
    const struct gs_cuda_row *row;
    struct held held;
    uint64_t *begun_ns = gs_xcalloc(b->r->n_gils, sizeof(*begun_ns));
    bool is = true;
    gs_row_cursor_open(&cursor, &b->r->cuda.rows);
    while (is && (row = gs_row_next(&cursor))) {
        if (!find_held(b, row, &held))
            continue;
        is = held.begin_ns >= begun_ns[held.gil];
        begun_ns[held.gil] = held.begin_ns;
    }
    gs_row_cursor_close(&cursor);
    free(begun_ns);
    return is;
}

/* Each ends where it did, or where it begins. */
static void clip(struct blamer *b)
{
    for (size_t i = 0; i < b->n_held; i++) {
        struct held *h = &b->held[i];
        uint64_t *ended_ns = &b->ended_ns[h->gil];
        if (h->begin_ns < *ended_ns)
            h->begin_ns = *ended_ns;
        if (h->end_ns < h->begin_ns)
            h->end_ns = h->begin_ns;
        *ended_ns = h->end_ns;
    }
}

/* ---- waits over rows ---- */

static inline bool is_before(const struct held *h, uint64_t ns, bool by_end)
{
    return by_end ? h->end_ns <= ns : h->begin_ns < ns;
}

/* The first that ends after ns (that begins at ns or after): doubling steps away from `near`, then
 * halves. */
static inline size_t find(const struct table *t, uint64_t ns, bool by_end, size_t near)
{
    size_t lo = 0, hi = near, step = 1;
    if (near < t->n && is_before(&t->at[near], ns, by_end)) {
        for (lo = near + 1; lo + step < t->n && is_before(&t->at[lo + step], ns, by_end); step *= 2)
            lo += step + 1;
        hi = lo + step < t->n ? lo + step : t->n;
    } else {
        for (; step <= hi && !is_before(&t->at[hi - step], ns, by_end); step *= 2)
            hi -= step;
        lo = step <= hi ? hi - step + 1 : 0;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (is_before(&t->at[mid], ns, by_end))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_part(const struct table *t, size_t i, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t lo = t->at[i].begin_ns > from_ns ? t->at[i].begin_ns : from_ns;
    uint64_t hi = t->at[i].end_ns < to_ns ? t->at[i].end_ns : to_ns;
    struct overlap *sum = &t->sums[i];
    if (hi <= lo)
        return;
    uint64_t before = atomic_fetch_add_explicit(&sum->low_ns, hi - lo, memory_order_relaxed);
    if (before + (hi - lo) < before)
        atomic_fetch_add_explicit(&sum->high_ns, 1, memory_order_relaxed);
}

static void lay(const struct table *t, uint64_t from_ns, uint64_t to_ns, size_t *near)
{
    size_t end = find(t, to_ns, false, *near), first = find(t, from_ns, true, end);
    *near = end;
    if (first >= end)
        return;
    add_part(t, first, from_ns, to_ns);
    if (end - first < 2)
        return;
    add_part(t, end - 1, from_ns, to_ns);
    if (end - first < 3)
        return;
    atomic_fetch_add_explicit(&t->sums[first + 1].whole, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&t->sums[end - 1].whole, 1, memory_order_relaxed);
}

static void sum_up(const struct table *t, u128 *into, bool off)
{
    int64_t whole = 0;
    for (size_t i = 0; i < t->n; i++) {
        whole += t->sums[i].whole;
        u128 ns = (u128)t->sums[i].high_ns << 64 | t->sums[i].low_ns;
        ns += (u128)(uint64_t)whole * (t->at[i].end_ns - t->at[i].begin_ns);
        into[t->at[i].row] += off ? 0 - ns : ns;
    }
}

static bool is_wait(const struct gs_row_columns *c, size_t i)
{
    return (c->flags[i] & GS_SLICE_WAIT) && c->begin_ns[i] < c->acq_ns[i];
}

struct layer { /* a worker */
    struct gs_decoder d;
    struct gs_window_rows rows;
    size_t near, *near_own; /* where the last search ended; near_own: by dense thread */
};
struct laying { /* waits over a batch's rows of one GIL */
    const struct gs_recording *r;
    const struct gs_windows *w;
    struct table by_time, by_owner;
    size_t *owner_from; /* rows of dense thread i in by_owner: owner_from[i] to [i + 1] - 1 */
    struct layer *layers;
    struct wait_span *spans; /* of the windows, */
    bool spans_known;        /* unless this is the GIL's first batch, which goes through all */
};

static void lay_own(const struct laying *l, const struct gs_row_columns *c, size_t i,
                    struct layer *me)
{
    uint32_t thread = gs_idmap_find(&l->r->thread_map, c->thread[i]);
    if (thread == GS_IDMAP_NONE)
        return;
    size_t from = l->owner_from[thread], n = l->owner_from[thread + 1] - from;
    struct table own = {l->by_owner.at + from, l->by_owner.sums + from, n};
    if (n)
        lay(&own, c->begin_ns[i], c->acq_ns[i], &me->near_own[thread]);
}

static struct wait_span span_of(const struct gs_row_columns *c, size_t n)
{
    struct wait_span s = {UINT64_MAX, 0};
    for (size_t i = 0; i < n; i++) {
        if (!is_wait(c, i))
            continue;
        s.from_ns = c->begin_ns[i] < s.from_ns ? c->begin_ns[i] : s.from_ns;
        s.to_ns = c->acq_ns[i] > s.to_ns ? c->acq_ns[i] : s.to_ns;
    }
    return s;
}

static bool meets(const struct laying *l, size_t k)
{
    const struct table *t = &l->by_time;
    return !l->spans_known ||
           (l->spans[k].to_ns > t->at[0].begin_ns && l->spans[k].from_ns < t->at[t->n - 1].end_ns);
}

static void lay_window(void *ctx, unsigned worker, size_t k)
{
    struct laying *l = ctx;
    struct layer *me = &l->layers[worker];
    const struct gs_row_columns *c = &me->rows.c;
    if (!meets(l, k))
        return;
    gs_window_load(l->w, k, &me->d, &me->rows);
    if (!l->spans_known)
        l->spans[k] = span_of(c, me->rows.n);
    for (size_t i = 0; i < me->rows.n; i++)
        if (is_wait(c, i)) {
            lay(&l->by_time, c->begin_ns[i], c->acq_ns[i], &me->near);
            lay_own(l, c, i, me);
        }
    gs_window_forget(l->w, k);
}

static void lay_waits(struct laying *l, const struct gs_stacks *stacks)
{
    unsigned n = gs_parallel_workers(l->r->jobs, l->w->n);
    l->layers = gs_xcalloc(n, sizeof(*l->layers));
    for (unsigned k = 0; k < n; k++) {
        gs_decoder_open(&l->layers[k].d, l->r, stacks, l->w->size);
        l->layers[k].near_own = gs_xcalloc(l->r->n_threads, sizeof(*l->layers[k].near_own));
    }
    gs_parallel(n, l->w->n, lay_window, l);
    for (unsigned k = 0; k < n; k++) {
        gs_window_rows_free(&l->layers[k].rows);
        gs_decoder_close(&l->layers[k].d);
        free(l->layers[k].near_own);
    }
    free(l->layers);
}

/* rows: in order of thread. */
static size_t *owners_from(const struct held *rows, size_t n, size_t n_threads)
{
    size_t *from = gs_xcalloc(n_threads + 1, sizeof(*from));
    for (size_t thread = 0, i = 0; thread <= n_threads; thread++) {
        while (i < n && rows[i].thread < thread)
            i++;
        from[thread] = i;
    }
    return from;
}

/* The rows of one GIL, in order of time. */
static void blame_gil(struct blamer *b, const struct held *at, size_t n, u128 *blamed)
{
    uint32_t gil = at[0].gil;
    struct held *sorted = gs_xmalloc(n, sizeof(*sorted));
    memcpy(sorted, at, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_thread);
    struct laying l = {.r = b->r, .w = &b->r->gils[gil].rows, .spans_known = b->spans[gil] != NULL};
    if (!l.spans_known)
        b->spans[gil] = gs_xmalloc(l.w->n, sizeof(**b->spans));
    l.spans = b->spans[gil];
    l.by_time = (struct table){at, gs_xcalloc(n, sizeof(*l.by_time.sums)), n};
    l.by_owner = (struct table){sorted, gs_xcalloc(n, sizeof(*l.by_owner.sums)), n};
    l.owner_from = owners_from(sorted, n, b->r->n_threads);
    lay_waits(&l, b->stacks);
    sum_up(&l.by_time, blamed, false);
    sum_up(&l.by_owner, blamed,
           true); /* differences end within a thread's rows: one walk will do */
    free(l.by_time.sums);
    free(l.by_owner.sums);
    free(l.owner_from);
    free(sorted);
}

static void end_batch(struct blamer *b)
{
    u128 *blamed = gs_xcalloc(b->n_rows, sizeof(*blamed));
    b->n_held = 0;
    for (size_t i = 0; i < b->n_rows; i++) {
        struct held held;
        if (!find_held(b, &b->rows[i], &held))
            continue;
        held.row = i;
        GS_PUSH(b->held, b->n_held, b->cap_held, held);
    }
    if (b->n_held)
        qsort(b->held, b->n_held, sizeof(*b->held), by_gil_and_time);
    clip(b);
    for (size_t i = 0, end; i < b->n_held; i = end) {
        for (end = i; end < b->n_held && b->held[end].gil == b->held[i].gil;)
            end++;
        blame_gil(b, b->held + i, end - i, blamed);
    }
    for (size_t i = 0; i < b->n_rows; i++)
        b->fn(b->ctx, &b->rows[i], blamed[i] < UINT64_MAX ? (uint64_t)blamed[i] : UINT64_MAX);
    b->n_rows = 0;
    free(blamed);
}

static void blamer_free(struct blamer *b)
{
    for (size_t i = 0; i < b->r->n_gils; i++)
        free(b->spans[i]);
    free(b->spans);
    free(b->gils);
    free(b->ended_ns);
    free(b->rows);
    free(b->held);
}

void gs_cuda_blame(const struct gs_recording *r, const struct gs_stacks *stacks,
                   gs_cuda_blamed_fn *fn, void *ctx)
{
    struct gs_row_cursor cursor;
    const struct gs_cuda_row *row;
    struct blamer b = {.r = r, .stacks = stacks, .fn = fn, .ctx = ctx};
    b.gils = gs_cuda_gils(r);
    b.ended_ns = gs_xcalloc(r->n_gils, sizeof(*b.ended_ns));
    b.spans = gs_xcalloc(r->n_gils, sizeof(struct wait_span *));
    size_t most = in_order(&b) ? BATCH_ROWS : SIZE_MAX;
    gs_row_cursor_open(&cursor, &r->cuda.rows);
    while ((row = gs_row_next(&cursor))) {
        GS_PUSH(b.rows, b.n_rows, b.cap_rows, *row);
        if (b.n_rows == most)
            end_batch(&b);
    }
    end_batch(&b);
    gs_row_cursor_close(&cursor);
    blamer_free(&b);
}
